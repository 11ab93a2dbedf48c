# SPDX-License-Identifier: Apache-2.0
"""A budget for unwind tables that is far too small for what runs: kiln stays inside, evicts, keeps every sample, and says
so. What is hot keeps its tables; what has no room is cut with that reason, and costs little.

The load is tests/programs/unwind/wide.c: half of its time is spent below three hot pages of code, the other half goes
through all of LIBRARIES × 32 pages in turn, which is the worst for whatever replaces the least recently used.
"""

import json
import os
import shutil
import unittest

import chains
import harness
import unwind_programs

MIB = 1 << 20
BUDGET = 4 * MIB
NEEDED = 30 * MIB
LIBRARIES = 34
CPU_SECONDS = 5  # of each load
PROGRAM = "unwind/wide"
NO_ROOM = "unwind memory is full"


def below(function, runs):
    return chains.Chain(f"{function} [areas_]*3 {runs} main {unwind_programs.START}")


HOT = below("burn_hot", "runs_hot")
COLD = below("burn_cold", "runs_cold")


class UnwindMemoryTest(harness.KilnTest):
    def setUp(self):
        super().setUp()
        self.require(os.path.exists(harness.program(PROGRAM)), "no load for this processor")
        for number in range(LIBRARIES):
            shutil.copy(harness.program("unwind/libareas.so"), self.folder / f"areas_{number}.so")

    def record_wide(self, budget):
        """(recording, its profile, what it wrote as statistics)"""
        recording = self.record(
            "--unwind-memory", f"{budget // MIB}MiB", "--unwind-cache", "none", "--stats", "stats.json",
            "--", harness.program(PROGRAM), CPU_SECONDS * 1000, LIBRARIES, self.folder,
        )  # fmt: skip
        return recording, recording.profile, json.loads((self.folder / "stats.json").read_text())

    def assert_all_there(self, recording, profile):
        self.assert_nothing_lost(profile)
        expected = harness.HZ * recording.truth["on_cpu_ns"] / 1e9
        self.assertGreaterEqual(profile.count(), 0.97 * expected, f"samples of {expected:.0f}")

    def test_small_budget(self):
        recording, profile, stats = self.record_wide(BUDGET)

        self.assert_all_there(recording, profile)
        self.assertLessEqual(int(profile.properties["kiln.unwind.memory_bytes"]), BUDGET)
        self.assertGreater(int(profile.properties["kiln.unwind.evictions"]), 0)
        (line,) = (line for line in recording.stdout.splitlines() if line.startswith("unwinding "))
        self.assertRegex(line, r"4 MiB of unwind tables were too few: .* pages evicted.*--unwind-memory")

        cuts = {}
        for sample in profile.samples:
            reason = chains.cut_reason(sample)
            cuts[reason] = cuts.get(reason, 0) + sample.count
        cold = profile.where(lambda sample: sample.frames[0].name == "burn_cold")
        hot = profile.where(lambda sample: sample.frames[0].name == "burn_hot")
        self.assertLessEqual(sum(count for reason, count in cuts.items() if reason not in ("", NO_ROOM)),
                             0.1 * profile.count(), cuts)  # fmt: skip
        self.assertGreater(cuts.get(NO_ROOM, 0), 0, cuts)
        # What is not cut is right, and what is hot stays.
        for samples, chain in ((hot, HOT), (cold, COLD)):
            whole = samples.where(lambda sample: not chains.cut_reason(sample))
            self.assertEqual(whole.count(), whole.count(lambda sample: chain.matches(chains.user_frames(sample))))
        self.assertGreaterEqual(hot.count(lambda sample: not chains.cut_reason(sample)), 0.8 * hot.count(), cuts)
        # It does not make tables without end: no more than a quarter of the memory changes hands in a second.
        self.assertLess(
            stats["unwind"]["bytes_compiled"], 2 * (BUDGET + stats["elapsed_seconds"] * BUDGET / 4), stats["unwind"]
        )

    def test_ample_budget(self):
        recording, profile, _ = self.record_wide(16 * BUDGET)

        self.assert_all_there(recording, profile)
        self.assertGreaterEqual(int(profile.properties["kiln.unwind.memory_bytes"]), NEEDED)
        self.assertEqual(int(profile.properties["kiln.unwind.evictions"]), 0)
        self.assertNotIn("unwinding ", recording.stdout)
        self.assertGreaterEqual(profile.count(lambda sample: not chains.cut_reason(sample)), 0.95 * profile.count())


if __name__ == "__main__":
    unittest.main()
