# SPDX-License-Identifier: Apache-2.0
"""Processes that come, go and hide: killed, exec'ed, short-lived, deleted, in other namespaces, with run-time code.
The names must be right all the same, or the sample must say that it has none."""

import os
import pathlib
import unittest

import harness


class EndingTargetsTest(harness.KilnTest):
    def test_target_is_killed_while_recording(self):
        load = self.load("shares", 60)
        kiln = self.start_record("-p", load.pid, "-d", "5s")
        self.wait_for_recording(kiln, load)
        load.kill()
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0, recording.stderr)
        profile = recording.profile
        self.assertEqual(profile.labels("process.pid"), {load.pid})
        self.assert_named(profile, ["seventy", "thirty"])
        self.assert_share(profile.share("seventy"), 0.7, "seventy", points=8)

    def test_recording_ends_with_its_last_target(self):
        # Nobody waits for the load meanwhile: it stays a zombie, as below a parent that is slow to collect it.
        load = self.load("shares", 3)
        self.assert_named(self.record("-p", load.pid).profile, ["seventy", "thirty"])

    def test_child_of_the_command_is_killed(self):
        script = f"{harness.program('shares')} 60 & sleep 2; kill -9 $!; wait; exec {harness.program('recursion')} 2 5"
        profile = self.record("--", "sh", "-c", script).profile
        for function in ("seventy", "bottom"):  # how much of each depends on what else the machine does
            self.assertGreater(profile.share(function), 0.05, function)
        self.assert_named(profile, ["seventy", "thirty", "bottom"], points=5)

    def test_program_is_replaced_by_exec(self):
        recording = self.record_load("execer", 6)
        profile, truth = recording.profile, recording.truth
        self.assertEqual(profile.labels("process.pid"), {truth["pid"]})
        self.assert_function_shares(profile, truth)
        self.assert_count(profile, truth["on_cpu_ns"])
        for function, executable in [("before_exec", "execer"), ("after_exec", "execer_after")]:
            samples = profile.where(lambda sample: sample.has(function))
            self.assertEqual(samples.labels("process.executable.name"), {executable})

    def test_target_of_a_pid_is_replaced_by_exec(self):
        load = self.load("execer", 8)  # 4 s of CPU each
        profile = self.record_until(lambda: load.on_cpu_ns() > 5e9, load).profile
        self.assert_named(profile, ["before_exec", "after_exec"])
        self.assertGreater(profile.share("before_exec"), 0.1)
        self.assertGreater(profile.share("after_exec"), 0.1)


class ShortLivedTest(harness.KilnTest):
    COUNT = 1000

    def check(self, mode):
        recording = self.record_load("short_lived", self.COUNT, mode)
        profile, truth = recording.profile, recording.truth
        self.assert_nothing_lost(profile)
        self.assert_count(profile, truth["on_cpu_ns"], processes=self.COUNT)
        share = truth["functions"]["brief_work"] / truth["on_cpu_ns"]
        self.assert_share(profile.share("brief_work"), share, "brief_work")
        # 5 to 10 ms at 997 Hz: hardly a process can slip through between two samples.
        working = profile.where(lambda sample: sample.has("brief_work"))
        self.assertGreaterEqual(len(working.labels("process.pid")), self.COUNT * 0.99)

    def test_thousand_forks(self):
        self.check("fork")

    def test_thousand_programs(self):
        self.check("exec")


class HiddenFilesTest(harness.KilnTest):
    def test_deleted_program_that_still_runs(self):
        load = self.load("deleted", 60)
        executable = f"/proc/{load.pid}/exe"
        harness.wait_until(lambda: harness.link_target(executable).endswith(" (deleted)"), "the file is deleted")
        profile = self.record("-p", load.pid, "-d", "3s").profile
        self.assert_named(profile, ["in_deleted_file"])
        self.assertEqual(profile.labels("process.executable.name"), {"deleted"})

    def test_deleted_program_that_has_ended(self):
        recording = self.record_load("deleted", 3)
        self.assertFalse(os.path.exists(recording.truth["path"]))
        self.assert_named(recording.profile, ["in_deleted_file"])

    def namespaced(self, seconds):
        """A load in namespaces of its own and its pid as the host sees it."""
        load = self.load("namespaced", seconds)
        word, pid = load.read_line().split()
        self.assertEqual(word, "inner")
        harness.wait_until(lambda: harness.link_target(f"/proc/{pid}/exe") == "/tmp/namespaced", "the inner program runs")
        return load, int(pid)

    def test_program_in_other_pid_and_mount_namespaces(self):
        load, pid = self.namespaced(60)
        profile = self.record("-p", pid, "-d", "4s").profile
        truth = load.finish()
        self.assertFalse(os.path.exists("/tmp/namespaced"))
        self.assertEqual(profile.labels("process.pid"), {pid})
        self.assertEqual(profile.labels("process.pid.namespaced"), {truth["pid"]})
        self.assertEqual(truth["pid"], 1)
        self.assert_function_shares(profile, truth, points=5)

    def test_program_in_other_namespaces_that_has_ended(self):
        recording = self.record_load("namespaced", 3)
        inner = int(recording.stdout.split("inner ", 1)[1].split()[0])
        profile = recording.profile.of_process(inner)
        self.assert_share(profile.share("inside_namespace"), 0.6, "inside_namespace", points=5)


class RunTimeCodeTest(harness.KilnTest):
    def remove_map_of(self, pid):
        self.addCleanup(pathlib.Path(f"/tmp/perf-{pid}.map").unlink, missing_ok=True)

    def test_perf_map_of_a_running_process(self):
        load = self.load("jit", 60)
        self.remove_map_of(load.pid)
        profile = self.record("-p", load.pid, "-d", "4s").profile
        self.assert_function_shares(profile, load.finish(), points=5)
        jitted = profile.where(lambda sample: sample.has("jitted_loop"))
        self.assert_share(jitted.share("main"), 1, "callers of run-time code")

    def test_perf_map_of_a_process_that_has_ended(self):
        recording = self.record_load("jit", 4)
        self.remove_map_of(recording.truth["pid"])
        self.assert_function_shares(recording.profile, recording.truth, points=5)


if __name__ == "__main__":
    unittest.main()
