# SPDX-License-Identifier: Apache-2.0
"""A budget for unwind tables that is far too small for what runs: kiln stays inside, evicts, goes on sampling, and says
so."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

import completeness_loads
import harness

MIB = 1 << 20
BUDGET = 4 * MIB
LOADS = ("clang", "gcc", "node", "ffmpeg", "python3", "git", "perl")  # all at once, those that are installed
CPU_SECONDS = 3  # of each


class UnwindMemoryTest(harness.KilnTest):
    def start_load(self, name):
        load = completeness_loads.LOADS[name]
        folder = self.folder / name
        folder.mkdir()
        load.prepare(folder)
        script = str(pathlib.Path(completeness_loads.__file__).resolve())
        process = subprocess.Popen(
            [sys.executable, "-B", script, name, str(folder), str(CPU_SECONDS), "1"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_small_budget(self):
        names = [name for name in LOADS if os.path.exists(completeness_loads.LOADS[name].path)]
        kilns = {}
        for budget in ("4MiB", "256MiB"):
            kilns[budget] = self.start_kiln(
                "record", "-F", harness.HZ, "-a", "--unwind-memory", budget, "-o", f"{budget}.pb.gz"
            )
            harness.wait_until(lambda: harness.has_perf_events(kilns[budget].pid), "kiln opens its perf events")
        for process in [self.start_load(name) for name in names]:
            errors = process.communicate(timeout=harness.TIMEOUT_SECONDS)[1]
            self.assertEqual(process.returncode, 0, errors)
        recordings, profiles = {}, {}
        for budget, kiln in kilns.items():
            kiln.send_signal(signal.SIGINT)
            recordings[budget] = self.finish_kiln(kiln)
            self.assertEqual(recordings[budget].status, 0, recordings[budget].stderr)
            profiles[budget] = harness.pprof.read(self.folder / f"{budget}.pb.gz")
        small, ample = (
            {key: int(profile.properties[f"kiln.unwind.{key}"]) for key in ("memory_bytes", "evictions")}
            for profile in profiles.values()
        )

        self.assertEqual(ample["evictions"], 0)
        self.require(ample["memory_bytes"] > 2 * BUDGET, f"the load needs more than {ample['memory_bytes']} bytes")
        self.assertLessEqual(small["memory_bytes"], BUDGET)
        self.assertGreater(small["evictions"], 0)
        self.assertIn("evicted", recordings["4MiB"].stdout + recordings["4MiB"].stderr)
        # As many samples; what cannot be unwound is still a sample.
        self.assertGreater(profiles["4MiB"].count(), 0.98 * profiles["256MiB"].count())
        self.assert_nothing_lost(profiles["4MiB"])


if __name__ == "__main__":
    unittest.main()
