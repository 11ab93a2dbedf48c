# SPDX-License-Identifier: Apache-2.0
"""A Python program that works until it is killed: JSON, regular expressions, recursion."""
import json, re
record = {"name": "kiln", "values": list(range(50)), "text": "lorem ipsum dolor sit amet " * 8}
def render(depth):
    return json.dumps(record, sort_keys=True) if depth == 0 else render(depth - 1)
def words(text):
    return sorted(re.findall(r"[a-z]+", text))
while True:
    words(render(20)); json.loads(render(5))
