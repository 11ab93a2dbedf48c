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


# Lengths in blocks of the two recordings that tell what a further million samples cost.
SHORT, LONG = 0.5, 3
# A recording that made fewer pages of unwind tables than this found them in the cache.
FEW_PAGES = 100


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

    def record(self, frequency, seconds, targets):
        """(statistics, profile's path, CPU seconds of all of it)."""
        stats, output = self.work / "stats.json", self.work / "out.pb.gz"
        _, cpu_seconds = run_measured([str(self.kiln_program), "record", *targets, "-F", str(frequency), "-d",
                                       f"{seconds:g}s", "-o", str(output), "--stats", str(stats), "--unwind-cache",
                                       str(self.work / "tables")], self.nice)
        return json.loads(stats.read_text()), output, cpu_seconds

    def kiln(self, frequency, comms):
        stats, output, cpu_seconds = self.record(frequency, self.seconds, ["--all"])
        profile = pprof.read(output)
        own = profile.count(lambda sample: sample.labels.get("process.executable.name") in comms) if comms else None
        return {
            "stats": stats,
            "cpu_seconds": cpu_seconds,
            "lost": int(profile.properties["kiln.samples.lost"]),
            "own_percent": 100 * own / profile.count() if comms else None,
        }

    def warm_up(self, frequency):
        """Has the unwind tables of the load made, which a host does once."""
        for _ in range(4):
            stats, _, _ = self.record(frequency, self.seconds, ["--all"])
            if stats["unwind"]["pages_compiled"] < FEW_PAGES:
                break

    def lengths(self, load, frequency):
        """Statistics of a short and a long recording of the load alone, so that others add no samples to it."""
        return [self.record_load(load, frequency, length * self.seconds) for length in (SHORT, LONG)]

    def record_load(self, load, frequency, seconds):
        for _ in range(20):  # a process may end before kiln has looked at it
            targets = [word for pid in load.pids() for word in ("-p", str(pid))]
            try:
                return self.record(frequency, seconds, targets)[0]
            except RuntimeError as error:
                refused = error
        raise refused

    def round(self, case, load, frequency, has_lengths):
        stolen, ticks = host_ticks()
        null = self.paced(load, lambda: self.null(frequency))
        kiln = self.paced(load, lambda: self.kiln(frequency, case.comms))
        stolen_after, ticks_after = host_ticks()
        return {"null": null, "kiln": kiln, "lengths": self.lengths(load, frequency) if has_lengths else None,
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
        say(f"{case.name}: tables")
        bench.warm_up(max(options.frequencies))
        for number in range(options.rounds):
            for frequency in options.frequencies:
                say(f"{case.name}: {frequency} Hz, round {number + 1} of {options.rounds}")
                has_lengths = frequency == max(options.frequencies)
                rounds[frequency].append(bench.round(case, load, frequency, has_lengths))
    per_round = {frequency: [figures.round_figures(one) for one in rounds[frequency]] for frequency in rounds}
    medians = {frequency: figures.median_figures(per_round[frequency]) for frequency in per_round}
    figures.add_further(medians[max(rounds)], rounds[max(rounds)])
    document = {"case": case.name, "description": case.description, "seconds": options.seconds,
                "median": medians, "rounds": rounds}
    (folder / f"{case.name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return medians


def measure_images(bench):
    """{name: figures} of the unwind tables of some whole files: the load, the C and C++ libraries, a compiler."""
    paths = {bench.programs / "bench/deep_stack"}
    for program in (bench.programs / "bench/deep_stack", loads.compiler()):
        libraries = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout if program else ""
        paths |= {pathlib.Path(word) for word in libraries.split() if word.startswith("/")}
    command = [str(bench.programs / "bench/table_cost"), *(str(path) for path in sorted(paths))]
    out, _ = run_measured(command, bench.nice)
    images = {pathlib.Path(one["path"]).name: figures.image_figures(one) for one in json.loads(out)}
    largest = sorted(images, key=lambda name: -images[name]["rows"])[:6]
    return {name: images[name] for name in images if name in largest or name == "deep_stack"}


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
        images = measure_images(bench) if results else {}
    if results:
        summary = {"started": started, "commit": commit(), "kernel": platform.release(), "cpu": cpu_model(),
                   "cpus": os.cpu_count(), "rounds": options.rounds, "seconds": options.seconds,
                   "nice": options.nice, "median": results, "unwind_tables": images,
                   "budgets": [{"of": list(key), "at_most": limit} for key, limit in figures.BUDGETS.items()]}
        text = json.dumps(summary, indent=1) + "\n"
        for path in (folder / "summary.json", options.json):
            if path:
                path.write_text(text)
        print(f"\n{cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}, commit {summary['commit']}; "
              f"median of {options.rounds} rounds of {options.seconds:g} s; ! = over the budget\n")
        for name in results:
            print(f"{name:6}  {loads.CASES[name].description}")
        print("\n" + figures.render(results) + "\n" + figures.render_images(images))
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
