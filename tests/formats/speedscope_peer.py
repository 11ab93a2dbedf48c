#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""speedscope_peer.py WRITE_SAMPLES: speedscope, in headless Chromium, loads kiln's files and shows the functions."""
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import peers  # noqa: E402

PACKAGES = ("speedscope@1.25.0", "playwright-core@1.65.1")


def heaviest_leaf(path):
    """The function with the largest self weight of the first profile, which speedscope lists near the top."""
    document = json.loads(path.read_text(encoding="utf-8"))
    profile = document["profiles"][0]
    weights = {}
    for stack, weight in zip(profile["samples"], profile["weights"]):
        if stack:
            weights[stack[-1]] = weights.get(stack[-1], 0) + weight
    return document["shared"]["frames"][max(weights, key=weights.get)]["name"]


def main():
    node, chromium = peers.program("node"), peers.program("chromium", "chromium-browser", "google-chrome")
    modules = peers.node_modules(*PACKAGES)
    script = pathlib.Path(__file__).with_suffix(".mjs")
    with peers.samples(sys.argv[1]) as folder:
        example, synthetic = folder / "example.speedscope.json", folder / "synthetic.speedscope.json"
        for file, names in ((example, ["vfs_read", "main", "work<int>(int)"]), (synthetic, [heaviest_leaf(synthetic)])):
            screenshot = peers.PEERS / f"{file.name}.png"
            print(peers.run(node, script, modules, chromium, file, screenshot, *names), end="")


if __name__ == "__main__":
    main()
