# SPDX-License-Identifier: Apache-2.0
"""How many stacks of unmodified programs of the distribution reach their root: records each load of
completeness_loads.py at 997 Hz and counts. Run by scripts/check_completeness; test_completeness.py does it in short.

The environment says where kiln is (KILN).
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import subprocess
import sys

import chains
import completeness_loads
import pprof

HZ = 997
SAMPLES = 5000


@dataclasses.dataclass
class Result:
    """Counts of the samples of one program that have a user stack, by how it ended."""

    load: completeness_loads.Load
    samples: int = 0
    cuts: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # reason
    # (reason, file, function) of the last frame before the cut, where the unwinding failed; and of the leaf
    places: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    leaves: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def percent(self):
        return 100 * (1 - sum(self.cuts.values()) / self.samples) if self.samples else 0.0

    @property
    def ok(self):
        return self.percent >= self.load.least_percent


def count(load, profile):
    """The result of a load, from a profile that may hold other processes too."""
    result = Result(load)
    for sample in profile.samples:
        if not sample.labels["process.executable.name"].startswith(load.processes):
            continue
        frames = chains.user_frames(sample)
        if not frames:  # no user stack at all, as at the end of a process
            continue
        result.samples += sample.count
        if not (reason := chains.cut_reason(sample)):
            continue
        result.cuts[reason] += sample.count
        result.places[reason, *_place(frames[-2] if len(frames) > 1 else None)] += sample.count
        result.leaves[_place(frames[0] if len(frames) > 1 else None)] += sample.count
    return result


def _place(frame):
    if frame is None:
        return "", ""
    return frame.mapping.rsplit("/", 1)[-1], frame.name or hex(frame.address)


def record(load, folder, samples):
    """Runs and records a load, with `folder` for its inputs, until it should have `samples`; returns its result. Raises
    RuntimeError if kiln or the load fails."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "prepared").exists():
        load.prepare(folder)
        (folder / "prepared").touch()
    cpu_seconds = 1.1 * samples / HZ
    while True:
        output = folder / "out.pb.gz"
        script = str(pathlib.Path(completeness_loads.__file__).resolve())
        command = [sys.executable, "-B", script, load.name, str(folder), str(cpu_seconds)]
        done = subprocess.run(
            [os.environ["KILN"], "record", "-F", str(HZ), "-o", str(output), "--", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0 or "Traceback" in done.stderr:
            raise RuntimeError(f"recording {load.name} failed: {done.stderr}")
        result = count(load, pprof.read(output))
        # The rest of the time went to other processes of the load, such as the assembler.
        if result.samples >= samples or cpu_seconds > 10 * samples / HZ:
            return result
        cpu_seconds *= min(4.0, 1.2 * samples / max(result.samples, 1))


def report(result, most):
    """The lines about one program."""
    verdict = "ok" if result.ok else f"BELOW {result.load.least_percent} %"
    yield f"{result.load.name:<10} {result.samples:>8} {result.percent:>9.3f} %  {verdict:<14} {result.load.path}"
    for reason, samples in result.cuts.most_common():
        yield f"{'':<10} {samples:>8} {100 * samples / result.samples:>9.3f} %  {reason}"
    for (reason, file, function), samples in result.places.most_common(most):
        yield f"{'':<10} {samples:>8}   stopped in {file} {function} ({reason})"
    for (file, function), samples in result.leaves.most_common(most):
        yield f"{'':<10} {samples:>8}   leaf of a cut stack: {file} {function}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--places", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'program':<10} {'samples':>8} {'complete':>11}")
    failed = []
    for name in arguments.programs or completeness_loads.LOADS:
        result = record(completeness_loads.LOADS[name], arguments.folder.resolve() / name, arguments.samples)
        print("\n".join(report(result, arguments.places)), flush=True)
        if not result.ok or result.samples < arguments.samples:
            failed.append(name)
    if failed:
        print(f"not good enough: {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
