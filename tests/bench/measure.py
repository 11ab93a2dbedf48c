# SPDX-License-Identifier: Apache-2.0
"""The work of scripts/bench, which see: runs kiln and the null sampler against each load in turn and writes figures."""

import argparse
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import pprof  # noqa: E402

import figures  # noqa: E402
import loads  # noqa: E402


def say(text):
    print(text, file=sys.stderr, flush=True)


def host_ticks():
    """(stolen, all) clock ticks of all CPUs since boot."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(field) for field in fields]
    return ticks[7], sum(ticks)


def run_measured(command, nice):
    """Runs to the end; (standard output, CPU seconds). Raises RuntimeError with what it said if it failed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = loads.start(command, nice, stdout=out, stderr=err)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            text = err.read().decode(errors="replace").strip()
            raise RuntimeError(f"{command[0]} ended with status {process.returncode}: {text}")
        return out.read().decode(), usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, options, work):
        self.programs = options.build / "tests"
        self.kiln_program = options.build / "kiln"
        self.seconds = options.seconds
        self.nice = options.nice
        self.work = work

    def paced(self, load, run):
        """Result of run(), and the work per CPU second that the load did meanwhile."""
        before = load.progress()
        result = run()
        load.check()
        after = load.progress()
        result["pace"] = (after[0] - before[0]) / (after[1] - before[1]) if before and after else None
        return result

    def null(self, frequency):
        out, _ = run_measured([str(self.programs / "bench/null_sampler"), str(frequency), str(self.seconds)],
                              self.nice)
        return json.loads(out)

    def kiln(self, frequency, comms):
        stats, output = self.work / "stats.json", self.work / "out.pb.gz"
        _, cpu_seconds = run_measured([str(self.kiln_program), "record", "--all", "-F", str(frequency), "-d",
                                       f"{self.seconds}s", "-o", str(output), "--stats", str(stats)], self.nice)
        profile = pprof.read(output)
        own = profile.count(lambda sample: sample.labels.get("process.executable.name") in comms) if comms else None
        return {
            "stats": json.loads(stats.read_text()),
            "cpu_seconds": cpu_seconds,
            "lost": int(profile.properties["kiln.samples.lost"]),
            "own_percent": 100 * own / profile.count() if comms else None,
        }

    def round(self, case, load, frequency):
        stolen, ticks = host_ticks()
        null = self.paced(load, lambda: self.null(frequency))
        kiln = self.paced(load, lambda: self.kiln(frequency, case.comms))
        stolen_after, ticks_after = host_ticks()
        return {"null": null, "kiln": kiln,
                "steal_percent": 100 * (stolen_after - stolen) / max(1, ticks_after - ticks)}


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    result = subprocess.run(["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"], capture_output=True,
                            text=True, cwd=pathlib.Path(__file__).parent)
    return result.stdout.strip() or "unknown"


def run_case(bench, case, options, folder):
    """{frequency: median figures}; leaves folder/CASE.json with all that was measured. None if it cannot run here."""
    work = bench.work / case.name
    work.mkdir()
    load = loads.Load(case, bench.programs, work, options.nice)
    if not load.possible:
        say(f"{case.name}: left out, this machine has no clang")
        return None
    rounds = {frequency: [] for frequency in options.frequencies}
    with load:
        for number in range(options.rounds):
            for frequency in options.frequencies:
                say(f"{case.name}: {frequency} Hz, round {number + 1} of {options.rounds}")
                rounds[frequency].append(bench.round(case, load, frequency))
    per_round = {frequency: [figures.round_figures(one) for one in rounds[frequency]] for frequency in rounds}
    lowest, highest = min(per_round), max(per_round)
    for fewer, more in zip(per_round[lowest], per_round[highest]):
        more["cpu_s_per_further_million"] = figures.further_million(fewer, more)
    medians = {frequency: figures.median_figures(per_round[frequency]) for frequency in per_round}
    document = {"case": case.name, "description": case.description, "seconds": options.seconds,
                "median": medians, "rounds": rounds}
    (folder / f"{case.name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return medians


def run_micro(options, folder):
    """Runs each Google Benchmark program of the build; its figures go to folder/micro-NAME.json."""
    for program in sorted(options.build.glob("*/*_bench")):
        say(f"micro: {program.name}")
        command = [str(program), f"--benchmark_out={folder / f'micro-{program.name}.json'}",
                   "--benchmark_out_format=json", f"--benchmark_min_time={0.05 if options.quick else 0.5}"]
        subprocess.run(command, check=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--micro", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--frequency", type=int, action="append", dest="frequencies")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("cases", nargs="*", choices=[[], *loads.CASES])
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 8)
    options.frequencies = options.frequencies or [99, 997]
    if not options.cases and not options.micro:
        options.cases = list(loads.CASES)
    return options


def main():
    options = parse_arguments()
    folder = options.build.parent / "bench"
    folder.mkdir(exist_ok=True)
    results = {}
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as work:
        bench = Bench(options, pathlib.Path(work))
        for name in options.cases:
            medians = run_case(bench, loads.CASES[name], options, folder)
            if medians:
                results[name] = medians
    if results:
        summary = {"started": started, "commit": commit(), "kernel": platform.release(), "cpu": cpu_model(),
                   "cpus": os.cpu_count(), "rounds": options.rounds, "seconds": options.seconds,
                   "nice": options.nice, "median": results,
                   "budgets": [{"of": list(key), "at_most": limit} for key, limit in figures.BUDGETS.items()]}
        text = json.dumps(summary, indent=1) + "\n"
        for path in (folder / "summary.json", options.json):
            if path:
                path.write_text(text)
        print(f"\n{cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}, commit {summary['commit']}; "
              f"median of {options.rounds} rounds of {options.seconds:g} s; ! = over the budget\n")
        for name in results:
            print(f"{name:6}  {loads.CASES[name].description}")
        print("\n" + figures.render(results))
        say(f"figures: {folder}")
    if options.micro:
        run_micro(options, folder)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of what ends the load
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"scripts/bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
