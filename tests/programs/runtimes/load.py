# SPDX-License-Identifier: Apache-2.0
"""See load.js."""

import json
import os
import sys
import time


def seventy(n):
    total = 0
    for i in range(n):
        total += i * 3
    return total


def thirty(n):
    total = 1
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def run_for(work, ns):
    begin = time.process_time_ns()
    while (spent := time.process_time_ns() - begin) < ns:
        work(20000)
    return spent


took = {"seventy": 0, "thirty": 0}
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    took["seventy"] += run_for(seventy, 70_000_000)
    took["thirty"] += run_for(thirty, 30_000_000)
print(json.dumps({"program": "load.py", "pid": os.getpid(), "functions": took}, separators=(",", ":")))
