# SPDX-License-Identifier: Apache-2.0
"""What `kiln agent` costs, for scripts/bench --agent: 200 processes in 50 containers at 99 Hz (memory, BPF maps, CPU), and
then while compilers keep the host busy, with service.limits.cpu_percent (does it keep to it, are the totals of what it sent
still right) and without."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import agent_use  # noqa: E402
import containers  # noqa: E402
import harness  # noqa: E402
import running_agent  # noqa: E402

import loads  # noqa: E402

MIB = 1 << 20
EVERY_SECONDS = 20


def say(text):
    print(text, flush=True)


def config(folder, options, limits):
    return {"receivers": {"profiling": {"frequency": options.frequency, "window": options.window}},
            "exporters": {"file": {"path": str(folder / "profiles"), "format": "pprof"}},
            "service": {"pipelines": {"profiles": {"receivers": ["profiling"], "exporters": ["file"]}},
                        "telemetry": {"metrics": {"address": "127.0.0.1:0"}}, "limits": limits}}


def watch(agent, seconds, check):
    """Prints a line now and then; the first and the last reading, and the most of RSS and of map bytes."""
    first = before = agent_use.read(agent.process.pid)
    rss = maps = 0
    while before.time - first.time < seconds:
        time.sleep(min(EVERY_SECONDS, max(0.01, first.time + seconds - time.monotonic())))
        check()
        now = agent_use.read(agent.process.pid)
        everything, bpf = agent_use.cpu_percent(before, now)
        frequency = agent.metrics()["kiln_profiling_frequency_hertz"]
        say(f"{now.time - first.time:6.0f} s  RSS {now.rss / MIB:6.1f} MiB (peak {now.peak_rss / MIB:.1f})"
            f"  maps {now.map_bytes / MIB:5.1f} MiB  CPU {everything:6.3f} % ({bpf:.3f} in BPF)  {frequency:.0f} Hz")
        rss, maps, before = max(rss, now.rss), max(maps, now.map_bytes), now
    everything, bpf = agent_use.cpu_percent(first, before)
    return {"seconds": before.time - first.time, "cpu_percent": everything, "bpf_percent": bpf, "rss_bytes": rss,
            "peak_rss_bytes": before.peak_rss, "map_bytes": maps}


def run(options, folder, load, limits, with_truth=False):
    """Figures of one agent beside a load, a context."""
    agent = running_agent.Agent(folder, config(folder, options, limits))
    with contextlib.ExitStack() as stack:
        stack.callback(agent.process.wait)
        stack.callback(agent.process.kill)
        agent.wait_started()
        with load:
            known = [harness.Load("shares", 1_000_000) for _ in range(os.cpu_count())] if with_truth else []
            for one in known:
                stack.callback(one.kill)
            figures = watch(agent, options.seconds, load.check)
            truths = [one.finish() for one in known]
        metrics = agent.metrics()
        agent.stop()
    figures["samples"] = metrics["kiln_profiling_samples_total"]
    figures["complete"] = metrics["kiln_profiling_complete_samples_total"] / max(1, figures["samples"])
    figures["lost"] = sum(number for name, number in metrics.items() if "_lost_samples_total" in name)
    if truths:
        measured = running_agent.cpu_ns(running_agent.profiles(folder / "profiles"), *(truth["pid"] for truth in truths))
        figures["total_of_truth"] = measured / sum(truth["on_cpu_ns"] for truth in truths)
    say((folder / "kiln.log").read_text())
    say(json.dumps(figures, indent=1))
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--frequency", type=int, default=99)
    parser.add_argument("--window", default="10s")
    parser.add_argument("--cpu-percent", type=float, default=0.3)
    parser.add_argument("--only", choices=("containers", "limit", "clang"))
    options = parser.parse_args()
    options.build = options.build.resolve()
    os.environ.update(KILN=str(options.build / "kiln"), KILN_PROGRAMS=str(options.build / "tests/programs"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the loads end too
    results = {}
    for case in ("containers", "limit", "clang"):
        if case != (options.only or case):
            continue
        say(f"== {case}")
        with tempfile.TemporaryDirectory(prefix="kiln-bench-") as name:
            folder = pathlib.Path(name)
            compilers = loads.Load(loads.CASES["clang"], options.build / "tests", folder, 0)
            if case != "containers" and not compilers.possible:
                say("skipped: clang++ is missing")
                continue
            if case == "containers":
                results[case] = run(options, folder, containers.Containers(folder), {})
            elif case == "limit":
                results[case] = run(options, folder, compilers, {"cpu_percent": options.cpu_percent}, with_truth=True)
            else:
                results[case] = run(options, folder, compilers, {}, with_truth=True)
    path = options.build.parent / "bench" / "agent.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
