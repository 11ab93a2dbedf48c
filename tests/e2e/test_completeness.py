# SPDX-License-Identifier: Apache-2.0
"""Unmodified programs of the distribution: their stacks reach the root. scripts/check_completeness runs more of them,
and longer."""

import unittest

import completeness
import completeness_loads
import harness

SAMPLES = 2000  # for each program


class CompletenessTest(harness.KilnTest):
    def test_stacks_reach_their_root(self):
        samples = cuts = 0
        for name in ("openssl", "xz", "bash", "python3"):
            with self.subTest(name):
                result = completeness.record(completeness_loads.LOADS[name], self.folder / name, SAMPLES)
                samples += result.samples
                cuts += sum(result.cuts.values())
                # One sample weighs a twentieth of a percent here: the strict bound is on the sum.
                self.assertGreaterEqual(result.percent, 99.7, "\n".join(completeness.report(result, 5)))
        self.assertLessEqual(cuts, samples * 0.001)


if __name__ == "__main__":
    unittest.main()
