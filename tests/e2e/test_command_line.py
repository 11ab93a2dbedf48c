# SPDX-License-Identifier: Apache-2.0
"""What a user sees of `kiln record`: exit status, Ctrl-C, files, formats that agree, and one sentence per error."""

import base64
import gzip
import json
import re
import os
import pathlib
import re
import subprocess
import unittest

import folded
import harness

# <sysexits.h>
EX_USAGE, EX_NOINPUT, EX_UNAVAILABLE, EX_CANTCREAT = 64, 66, 69, 73


class EndOfRecordingTest(harness.KilnTest):
    def test_exit_status_of_the_command_is_passed_on(self):
        for status in (0, 7):
            with self.subTest(status):
                self.record("--", harness.program("shares"), "1", status, status=status)

    def test_command_that_a_signal_ends(self):
        recording = self.record("--", "sh", "-c", f"{harness.program('shares')} 1; kill -TERM $$", status=128 + 15)
        self.assert_named(recording.profile, ["seventy", "thirty"], points=10)

    def test_ctrl_c_stops_and_writes(self):
        load = self.load("shares", 60)
        recording = self.record_until(lambda: True, load)
        self.assert_named(recording.profile, ["seventy", "thirty"])
        self.assertTrue(pathlib.Path(f"/proc/{load.pid}").exists(), "kiln ended a process that it did not start")

    def test_duration_ends_a_recording(self):
        load = self.load("shares", 60)
        profile = self.record("-p", load.pid, "-d", "2s").profile
        self.assertLess(abs(profile.duration_ns / 1e9 - 2), 1)

    def test_frequency_is_the_one_asked_for(self):
        recording = self.run_kiln("record", "-F", "99", "-o", "out.pb.gz", "--", harness.program("shares"), "5")
        profile = recording.profile
        self.assertEqual(profile.period_type, ("cpu", "nanoseconds"))
        self.assertLess(abs(profile.period - 1e9 / 99), 1e5)
        expected = 99 * recording.truth["on_cpu_ns"] / 1e9
        self.assertLess(abs(profile.count() - expected), expected * 0.05)


class OutputTest(harness.KilnTest):
    def test_formats_agree(self):
        outputs = ("out.pb.gz", "out.folded", "out.speedscope.json", "out.html", "out.otlp")
        recording = self.record_load("threads", 3, outputs=outputs)
        for output in outputs:
            self.assertGreater((self.folder / output).stat().st_size, 0, output)
            self.assertIn(output, recording.stdout + recording.stderr)
        profile = recording.profile
        stacks = folded.parse((self.folder / "out.folded").read_text())
        self.assertEqual(folded.total(stacks), profile.count())
        for function in recording.truth["functions"]:
            self.assertAlmostEqual(folded.share(stacks, function), profile.share(function))
        speedscope = json.loads((self.folder / "out.speedscope.json").read_text())
        functions = {frame["name"] for frame in speedscope["shared"]["frames"]}
        self.assertLessEqual(set(recording.truth["functions"]), functions)
        packed = re.search('id="data">([^<]+)<', (self.folder / "out.html").read_text()).group(1)
        self.assertIn(b"render_work", gzip.decompress(base64.b64decode(packed)))

    def test_kernel_frames_are_marked_in_folded_stacks(self):
        self.record_load("reader", 2, outputs=("out.folded",))
        stacks = folded.parse((self.folder / "out.folded").read_text())
        self.assertEqual({frames[0] for frames, _ in stacks}, {"reader"})
        in_kernel = folded.total(stacks, lambda frames: frames[-1].endswith("_[k]"))
        self.assertGreater(in_kernel / folded.total(stacks), 0.8)
        self.assertGreater(folded.share(stacks, "vfs_read_[k]"), 0.8)

    def test_default_files_and_table(self):
        recording = self.run_kiln("record", "-F", harness.HZ, "--", harness.program("shares"), "2")
        self.assertEqual(recording.status, 0, recording.stderr)
        files = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual([name.split(".", 1)[1] for name in files], ["html", "pb.gz"])
        self.assertTrue(all(name.startswith("kiln-") for name in files), files)
        self.assertIn("seventy", recording.stdout + recording.stderr)
        self.assertNotIn("\r", recording.stdout + recording.stderr)  # no progress line without a terminal
        self.assertNotIn("\x1b", recording.stdout + recording.stderr)

    def test_report_prints_the_hottest_functions(self):
        self.record_load("shares", 2)
        report = self.run_kiln("report", "out.pb.gz")
        self.assertEqual(report.status, 0, report.stderr)
        lines = report.stdout.splitlines()
        rank = {name: next(i for i, line in enumerate(lines) if name in line) for name in ("seventy", "thirty")}
        self.assertLess(rank["seventy"], rank["thirty"])

    def test_go_reads_the_profile(self):
        self.require(subprocess.run(["sh", "-c", "command -v go"], capture_output=True).returncode == 0, "no go")
        self.record_load("shares", 2)
        top = subprocess.run(["go", "tool", "pprof", "-top", self.folder / "out.pb.gz"], capture_output=True, text=True)
        self.assertEqual(top.returncode, 0, top.stderr)
        self.assertIn("seventy", top.stdout)


class ErrorTest(harness.KilnTest):
    def test_unknown_pid(self):
        pid = next(pid for pid in range(4_000_000, 1, -1) if not os.path.exists(f"/proc/{pid}"))
        recording = self.run_kiln("record", "-p", pid, "-d", "1s", "-o", "out.pb.gz")
        self.assert_one_error_line(recording, EX_NOINPUT, str(pid))
        self.assertFalse((self.folder / "out.pb.gz").exists())

    def test_unwritable_output_is_found_before_the_command_starts(self):
        mark = self.folder / "started"
        recording = self.run_kiln("record", "-o", "missing/out.pb.gz", "--", "touch", mark)
        self.assert_one_error_line(recording, EX_CANTCREAT, "missing/out.pb.gz")
        self.assertFalse(mark.exists())

    def test_output_without_a_known_suffix(self):
        recording = self.run_kiln("record", "-o", "out.xyz", "--", "true")
        self.assert_one_error_line(recording, EX_USAGE, "out.xyz")

    def test_no_samples(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        recording = self.run_kiln("record", "-p", sleeper.pid, "-d", "1s", "-o", "out.pb.gz")
        self.assert_one_error_line(recording, EX_UNAVAILABLE)
        self.assertFalse((self.folder / "out.pb.gz").exists())

    def test_unknown_flag(self):
        recording = self.run_kiln("record", "--no-such-flag")
        self.assert_one_error_line(recording, EX_USAGE, "--no-such-flag")

    def test_bad_values(self):
        for arguments in (["-F", "0"], ["-F", "20000"], ["-F", "many"], ["-d", "-1s"], ["-d", "soon"], ["-p", "x"],
                          ["--comm", "("]):
            with self.subTest(" ".join(arguments)):
                recording = self.run_kiln("record", *arguments, "-o", "out.pb.gz")
                self.assert_one_error_line(recording, EX_USAGE, arguments[1])

    def test_command_that_does_not_exist(self):
        recording = self.run_kiln("record", "-o", "out.pb.gz", "--", "./no-such-program")
        self.assertNotEqual(recording.status, 0)
        self.assert_one_error_line(recording, recording.status, "no-such-program")


class CgroupTest(harness.KilnTest):
    def test_cgroup_and_its_descendants(self):
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        roots = [mount[1] for mount in mounts if mount[2] == "cgroup2"]
        self.require(roots, "no cgroup2 is mounted")
        group = pathlib.Path(roots[0]) / f"kiln-e2e-{os.getpid()}"
        inner = group / "inner"
        inner.mkdir(parents=True)
        self.addCleanup(group.rmdir)
        self.addCleanup(inner.rmdir)
        load, other = self.load("shares", 60), self.load("recursion", 60, 5)
        (inner / "cgroup.procs").write_text(str(load.pid))
        profile = self.record("--cgroup", group, "-d", "3s").profile
        self.assertEqual(profile.labels("process.pid"), {load.pid})
        for ended in (load, other):
            ended.finish()
        harness.wait_until(lambda: not (inner / "cgroup.procs").read_text(), "the cgroup is empty")


if __name__ == "__main__":
    unittest.main()
