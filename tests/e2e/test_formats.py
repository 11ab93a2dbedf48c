# SPDX-License-Identifier: Apache-2.0
"""Files of a real recording of the host: OTLP by the independent checker of tests/formats, and round trips."""

import os
import pathlib
import subprocess
import sys
import unittest

import harness
import pprof

CHECK_PROFILES = pathlib.Path(__file__).parent.parent / "peers" / "check_profiles.py"


def content(path):
    """Everything a pprof file says, in an order of its own."""
    profile = pprof.read(path)
    samples = sorted((sample.frames, sorted(sample.labels.items()), sample.count) for sample in profile.samples)
    facts = (profile.sample_types, profile.period_type, profile.period, profile.duration_ns, profile.properties)
    return samples, facts, sorted(profile.mappings)


class RealRecordingTest(harness.KilnTest):
    def setUp(self):
        super().setUp()
        command = harness.program("demo"), "3"
        self.record("-a", "--", *command, outputs=("out.pb.gz", "out.otlp"))

    def convert(self, source, target):
        result = self.run_kiln("convert", source, target)
        self.assertEqual((result.status, result.stderr), (0, ""))

    def test_otlp_keeps_the_rules_of_the_specification(self):
        result = subprocess.run(
            [sys.executable, CHECK_PROFILES, self.folder / "out.otlp"],
            capture_output=True,
            text=True,
            timeout=harness.TIMEOUT_SECONDS,
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_convert_loses_nothing(self):
        original = content(self.folder / "out.pb.gz")
        self.assertGreater(len(original[0]), 50)
        self.convert("out.pb.gz", "again.pb.gz")
        self.assertEqual(content(self.folder / "again.pb.gz"), original)
        self.convert("out.pb.gz", "there.otlp")
        self.convert("there.otlp", "back.pb.gz")
        self.assertEqual(content(self.folder / "back.pb.gz"), original)
        self.convert("out.otlp", "recorded.pb.gz")
        self.assertEqual(content(self.folder / "recorded.pb.gz"), original)

    def test_every_format_has_every_sample(self):
        total = pprof.read(self.folder / "out.pb.gz").count()
        for suffix in (".folded", ".speedscope.json"):
            self.convert("out.pb.gz", "there" + suffix)
            self.convert("there" + suffix, "back.pb.gz")
            self.assertEqual(pprof.read(self.folder / "back.pb.gz").count(), total, suffix)
            os.unlink(self.folder / "back.pb.gz")


if __name__ == "__main__":
    unittest.main()
