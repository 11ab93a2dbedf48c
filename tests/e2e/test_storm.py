# SPDX-License-Identifier: Apache-2.0
"""A storm of processes that live for 20 to 50 ms of CPU time (tests/programs/unwind/storm.c), of one file and of a file
each: nearly all samples that their CPU time asks for appear, and nearly all are complete and named.

How many samples may be missing. A sampler of F Hz looks at each CPU every 1/F seconds, whoever runs. The storm is on a
CPU in intervals, from one switch of threads to the next. In an interval of length d fall F·d looks on average, and their
number varies by at most p·(1-p), p being the fraction of F·d: by at most 1/4, and by at most F·d. Looks at intervals
that follow each other exclude each other, so the sum of these bounds the variance of all looks at the storm, which is
then at most their number N = F × CPU seconds. The tests take three standard deviations, 3·√N, off the 99 % that they ask
for: 1.8 % of the samples at 997 Hz for 800 processes, 5.7 % at 99 Hz, 13 % at 20 Hz. KILN_STORM_PROCESSES makes the storm
longer and the bound sharper.

All frequencies are recorded at once, each by a kiln of its own.
"""

import math
import os
import signal
import subprocess
import unittest

import chains
import harness
import unwind_programs

PROCESSES = int(os.environ.get("KILN_STORM_PROCESSES", 800))
FREQUENCIES = (20, 99, 997)
CHAIN = chains.Chain(f"burn works main {unwind_programs.START}")


def is_complete(sample):
    """Whether the stack reaches its root, and all frames from main on have their names."""
    if chains.cut_reason(sample):
        return False
    frames = chains.user_frames(sample)
    own = next((at for at, frame in enumerate(frames) if frame.name in CHAIN.names), None)
    return own is None or CHAIN.ends_as(frames[own:])


class StormTest(harness.KilnTest):
    def record_storm(self, mode):
        """What the storm says of itself, and {frequency: profile of its processes}."""
        recorders = {}
        for hz in FREQUENCIES:
            recorders[hz] = self.start_kiln("record", "-F", hz, "-a", "-o", f"{hz}.pb.gz")
        for recorder in recorders.values():
            harness.wait_until(lambda: harness.has_perf_events(recorder.pid), "kiln opens its perf events")
        self.storm(10, "same")  # by its end, every CPU is sampled
        truth = self.storm(PROCESSES, mode)
        profiles = {}
        for hz, recorder in recorders.items():
            recorder.send_signal(signal.SIGINT)
            recording = self.finish_kiln(recorder)
            self.assertEqual(recording.status, 0, recording.stderr)
            profiles[hz] = harness.pprof.read(self.folder / f"{hz}.pb.gz")
        return truth, profiles

    def storm(self, count, mode):
        command = [harness.program("unwind/storm"), str(count), mode, str(self.folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=harness.TIMEOUT_SECONDS, check=True)
        (truth,) = harness.truths(done.stdout)
        return truth

    def assert_appear(self, count, expected, what, part=0.99):
        least = part * expected - 3 * math.sqrt(expected)
        self.assertGreaterEqual(count, least, f"{what}: {count} samples of {expected:.0f}")

    def check(self, mode):
        truth, profiles = self.record_storm(mode)
        pids = set(truth["pids"])
        for hz, profile in profiles.items():
            with self.subTest(hz=hz, per_second=truth["per_second"]):
                self.assert_nothing_lost(profile)
                storm = profile.of_process(*pids)
                self.assert_appear(storm.count(), hz * truth["on_cpu_ns"] / 1e9, "all")
                # From the first sample on: what is not in main is the process's start, and a little of its end.
                outside_ns = truth["on_cpu_ns"] - truth["in_main_ns"]
                outside = storm.count(lambda sample: not sample.has("main") and not chains.cut_reason(sample))
                # Some of them may be cut: those are counted below.
                self.assert_appear(outside, hz * outside_ns / 1e9, "outside of main", 0.94)
                if hz == max(FREQUENCIES):  # 20 samples and more each
                    self.assertEqual(storm.labels("process.pid"), pids)

                complete = storm.count(is_complete)
                cuts = {}
                for sample in storm.samples:
                    if reason := chains.cut_reason(sample):
                        cuts[reason] = cuts.get(reason, 0) + sample.count
                self.assertGreaterEqual(complete, 0.95 * storm.count(), f"complete and named; cut: {cuts}")

    def test_one_file(self):
        self.check("same")

    def test_a_file_each(self):
        self.check("fresh")


if __name__ == "__main__":
    unittest.main()
