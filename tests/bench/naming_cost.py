# SPDX-License-Identifier: Apache-2.0
"""What names cost a recording of a busy host: see scripts/bench --naming."""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import loads

FREQUENCY = 99
HOW = {
    "names alone": ["--no-debug-info"],
    "lines, first time": ["--debug-info-cache", "CACHE"],
    "lines, from the cache": ["--debug-info-cache", "CACHE"],
}


def record(options, work, words):
    stats = work / "stats.json"
    words = [str(work / "lines") if word == "CACHE" else word for word in words]
    subprocess.run([options.build / "kiln", "record", "-a", "-F", str(FREQUENCY), "-d", f"{options.seconds}s",
                    "-o", work / "out.pb.gz", "--stats", stats, "--unwind-cache", work / "tables", *words],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return json.loads(stats.read_text())


def figures(stats):
    indexes, native = stats["line_indexes"], stats["frames_native"]
    return {
        "samples": stats["samples"],
        "distinct_frames": stats["distinct_frames"],
        "record_cpu_s": stats["cpu_seconds"]["own_total"],
        "name_cpu_s": stats["cpu_seconds"]["name"],
        "index_cpu_s": indexes["cpu_seconds"],
        "index_mb": indexes["made_debug_bytes"] / 1e6,
        "peak_rss_mb": stats["peak_rss_bytes"] / 1e6,
        "index_peak_rss_mb": indexes["peak_rss_bytes"] / 1e6,
        "named_percent": 100 * (1 - sum(stats["frames_unnamed"].values()) / max(1, stats["frames"])),
        "lines_percent": 100 * (1 - sum(stats["frames_without_lines"].values()) / native) if native else 0,
    }


def show(results):
    print(f"{'':<24}" + "".join(f"{how:>24}" for how in results))
    for key in next(iter(results.values()))[0]:
        medians = [statistics.median(one[key] for one in rounds) for rounds in results.values()]
        print(f"{key:<24}" + "".join(f"{value:>24,.2f}" for value in medians))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--json", required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.quick:
        options.seconds, options.rounds = 5, 1
    results = {how: [] for how in HOW}
    with tempfile.TemporaryDirectory(prefix="kiln-naming-") as name:
        work = pathlib.Path(name)
        with loads.Load(loads.CASES["mixed"], options.build / "tests", work, options.nice) as load:
            record(options, work, ["--no-debug-info"])  # has the unwind tables made, which a host does once
            for _ in range(options.rounds):
                shutil.rmtree(work / "lines", ignore_errors=True)
                for how, words in HOW.items():
                    results[how].append(figures(record(options, work, words)))
                    load.check()
    print(f"{options.seconds} s of the whole host at {FREQUENCY} Hz: {loads.CASES['mixed'].description}")
    show(results)
    pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
