# SPDX-License-Identifier: Apache-2.0
"""Programs without frame pointers that know their own stacks (tests/programs/unwind, unwind_programs.py): exact chains
of names from the burning function to the root, no cut stacks, and as many samples as the CPU time asks for.

All programs run in one recording of the whole host, two at a time, and are told apart by pid.
"""

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

import chains
import harness
import unwind_programs

CPU_MILLISECONDS = int(os.environ.get("KILN_UNWIND_MILLISECONDS", 1000))
MOST_PROBLEMS = 5  # told per program
# Copies of stacks of processes whose tables are not loaded yet are limited in number: here many processes start at once.
COPIES_LIMITED = {"copied part of the stack ends": 0.03}
SKIPPED = 77


@dataclasses.dataclass(frozen=True)
class Run:
    """A program that has run to its end."""

    program: unwind_programs.Program
    status: int
    output: str

    @property
    def pids(self):
        return [truth["pid"] for truth in harness.truths(self.output)]

    @property
    def burned_ns(self):
        return sum(truth["burned_ns"] for truth in harness.truths(self.output))


def folder():
    return harness.program("unwind")


def command(program, path=None):
    arguments = [folder() if argument == "FOLDER" else str(argument) for argument in program.arguments]
    return [path or f"{folder()}/{program.program}", str(CPU_MILLISECONDS), *arguments]


def start(program, path=None):
    return subprocess.Popen(command(program, path), stdout=subprocess.PIPE, text=True)


def finish(program, process):
    output = process.communicate(timeout=harness.TIMEOUT_SECONDS)[0]
    return Run(program, process.returncode, output)


def run(program):
    return finish(program, start(program))


def run_replaced(path):
    """Runs a program from `path` and, while it runs, another one that has taken the place of its file."""
    old, new = (
        unwind_programs.depth(f"replaced_file_{age}", name, 20)
        for age, name in (("old", "depth"), ("new", "depth_other"))
    )
    shutil.copy(f"{folder()}/{old.program}", path)
    process = start(old, str(path))
    harness.wait_until(lambda: harness.link_target(f"/proc/{process.pid}/exe") == str(path), "the program runs")
    shutil.copy(f"{folder()}/{new.program}", f"{path}.new")
    os.replace(f"{path}.new", path)
    following = finish(new, start(new, str(path)))
    return [finish(old, process), following]


class Comparison:
    """What the samples of a run say against the chains of its program."""

    def __init__(self, program, profile):
        self.chains = [chains.Chain(text) for text in program.chains]
        self.burning = [chain for chain in self.chains if self.is_burning(chain.elements[0].name)]
        self.burning_names = {chain.elements[0].name for chain in self.burning}
        self.names = set().union(*(chain.names for chain in self.chains))
        self.wrong = collections.Counter()  # (leaf's file, "", stack as text) -> samples
        self.cut = collections.Counter()  # (leaf's file, reason, stack as text) -> samples
        self.good = collections.Counter()  # text of a burning chain -> samples
        self.total = 0
        for sample in profile.samples:
            self.total += sample.count
            self._judge(sample)

    @staticmethod
    def is_burning(name):
        return name.rpartition(".")[2].startswith("burn")

    @staticmethod
    def described(frames, reason=""):
        return frames[0].mapping.rsplit("/", 1)[-1], reason, chains.text(frames)

    def _judge(self, sample):
        frames = chains.user_frames(sample)
        reason = chains.cut_reason(sample)
        if reason:
            self.cut[self.described(frames, reason)] += sample.count
            return
        own = next((at for at, frame in enumerate(frames) if frame.name in self.names), None)
        if own is None:  # starting or ending: complete is all that can be said
            return
        if not any(frame.name in self.burning_names for frame in frames):
            if not any(chain.ends_as(frames[own:]) for chain in self.chains):
                self.wrong[self.described(frames)] += sample.count
            return
        match = next((chain for chain in self.burning if own == 0 and chain.matches(frames)), None)
        if match is None:
            self.wrong[self.described(frames)] += sample.count
        else:
            self.good[match.text] += sample.count


class UnwindTest(harness.KilnTest):
    def record_programs(self, start_all):
        """The profile of the host while start_all() runs."""
        kiln = self.start_record("-a")
        harness.wait_until(lambda: harness.has_perf_events(kiln.pid), "kiln opens its perf events")
        run(unwind_programs.PROGRAMS[0])  # by its end, every CPU is sampled
        runs = start_all()
        kiln.send_signal(signal.SIGINT)
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0, f"{recording.stdout}\n{recording.stderr}")
        return runs, recording.profile

    def remove_perf_maps(self, run):
        for pid in run.pids:
            pathlib.Path(f"/tmp/perf-{pid}.map").unlink(missing_ok=True)

    def of_run(self, run, profile):
        """The samples of a run, without what the process was before it became the program."""
        return profile.of_process(*run.pids).where(
            lambda sample: not sample.labels["process.executable.name"].startswith("python")
        )

    def check(self, run, profile):
        self.require(run.status != SKIPPED, f"{run.program.title}: the kernel lacks what it needs")
        self.assertEqual(run.status, 0, run.output)
        samples = self.of_run(run, profile)
        seen = Comparison(run.program, samples)
        expected = harness.HZ * run.burned_ns / 1e9

        excuses = COPIES_LIMITED | run.program.excuses
        excused = collections.Counter()
        problems = []
        for (file, reason, stack), count in [*seen.wrong.most_common(), *seen.cut.most_common()]:
            excuse = next((word for word in excuses if word == reason or file.startswith(word)), "")
            excused[excuse] += count
            if not excuse and len(problems) < MOST_PROBLEMS:
                problems.append(f"{count} samples ({reason or 'wrong'}): {stack}")
        del excused[""]
        for excuse, count in excused.items():
            if count > seen.total * excuses[excuse]:
                problems.append(f"{count} of {seen.total} samples: {excuse}")

        if not run.program.above:
            good = seen.total - sum(seen.wrong.values()) - sum(seen.cut.values())
            if good + sum(excused.values()) < 0.9 * expected:
                problems.append(f"{good} samples with the right stack of {expected:.0f}")
            burning = sum(seen.good.values())
            if burning + sum(excused.values()) < 0.85 * expected:
                problems.append(f"{burning} samples in burning functions with the right stack of {expected:.0f}")
            for chain in seen.burning:
                if seen.good[chain.text] < 0.1 * expected:
                    problems.append(f"{seen.good[chain.text]} samples of {expected:.0f} with the stack {chain.text}")
        for function, share in run.program.above:
            count = samples.count(lambda sample: sample.has(function) and not chains.cut_reason(sample))
            if count + sum(excused.values()) < share * expected:
                problems.append(f"{count} complete samples of {expected:.0f} in {function} and what it calls")
        self.assertEqual(problems, [], "\n" + "\n".join(problems))

    def test_chains(self):
        wanted = os.environ.get("KILN_UNWIND_PROGRAMS", "").split()
        programs = [program for program in unwind_programs.PROGRAMS if not wanted or program.title in wanted]
        built = [program for program in programs if os.path.exists(f"{folder()}/{program.program}")]

        def run_all():
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                replaced = pool.submit(run_replaced, self.folder / "replaced")
                return [*pool.map(run, built), *replaced.result()]

        runs, profile = self.record_programs(run_all)
        for done in runs:
            self.remove_perf_maps(done)
        for program in programs:
            if program in built:
                continue
            with self.subTest(program.title):
                self.require(not program.tool, f"no {program.tool}")
                self.fail(f"{program.program} was not built")
        for done in runs:
            with self.subTest(done.program.title):
                self.check(done, profile)
        self.assert_nothing_lost(profile)


if __name__ == "__main__":
    unittest.main()
