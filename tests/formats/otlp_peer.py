#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""otlp_peer.py WRITE_SAMPLES: opentelemetry-proto reads kiln's .otlp files, and they keep the rules of
tests/peers/check_profiles.py. With KILN_PROFCHECK=PATH the conformance checker of open-telemetry/sig-profiling looks at
them too."""
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import peers  # noqa: E402


def main():
    python = peers.python()
    with peers.samples(sys.argv[1]) as folder:
        files = sorted(folder.glob("*.otlp"))
        print(peers.run(python, peers.HERE / "check_profiles.py", *files), end="")
        print(peers.run(python, pathlib.Path(__file__).with_name("otlp_folded.py"), folder), end="")
        if profcheck := os.environ.get("KILN_PROFCHECK"):
            for file in files:
                print(peers.run(profcheck, "-check-dupes", "-check-orphans", file), end="")
            print("profcheck agrees")
        else:
            print("profcheck was not asked (KILN_PROFCHECK is not set)")


if __name__ == "__main__":
    main()
