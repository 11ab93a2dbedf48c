# SPDX-License-Identifier: Apache-2.0
"""Loads of known shares: every share within 3 points, samples within 3 % of Hz × CPU seconds, nothing lost."""

import unittest

import harness

SECONDS = 10


class SharesTest(harness.KilnTest):
    def test_two_functions(self):
        recording = self.record_load("shares", SECONDS)
        profile, truth = recording.profile, recording.truth
        self.assertEqual(profile.labels("process.pid"), {truth["pid"]})
        self.assertEqual(profile.labels("process.executable.name"), {"shares"})
        self.assert_function_shares(profile, truth)
        self.assert_share(profile.share("seventy"), 0.7, "seventy")
        self.assert_share(profile.share("main"), 1, "main")
        self.assert_count(profile, truth["on_cpu_ns"])
        self.assert_nothing_lost(profile)

    def test_recursion_has_its_exact_depth(self):
        depth = 60
        recording = self.record_load("recursion", SECONDS, depth)
        profile = recording.profile
        self.assert_count(profile, recording.truth["on_cpu_ns"])
        self.assert_nothing_lost(profile)
        exact = profile.count(lambda sample: sum("descend" in frame.names for frame in sample.frames) == depth)
        self.assert_share(exact / profile.count(), 1, f"samples below {depth} frames of descend")
        self.assert_share(profile.share("bottom"), 1, "bottom")

    def test_three_threads(self):
        recording = self.record_load("threads", SECONDS)
        profile, truth = recording.profile, recording.truth
        self.assert_function_shares(profile, truth)
        self.assert_count(profile, truth["on_cpu_ns"])
        self.assert_nothing_lost(profile)
        for thread in truth["threads"]:
            of_thread = profile.where(lambda sample: sample.labels["thread.id"] == thread["id"])
            with self.subTest(thread["name"]):
                self.assertEqual(of_thread.labels("thread.name"), {thread["name"]})
                self.assert_share(
                    of_thread.count() / profile.count(), thread["on_cpu_ns"] / truth["on_cpu_ns"], thread["name"]
                )
                self.assert_share(of_thread.share(f"{thread['name']}_work"), 1, "its own function")

    def test_tree_of_processes(self):
        recording = self.record_load("forks", SECONDS)
        profile, truth = recording.profile, recording.truth
        self.assertEqual(profile.labels("process.pid"), {process["id"] for process in truth["processes"]})
        self.assert_count(profile, truth["on_cpu_ns"])
        self.assert_nothing_lost(profile)
        for process in truth["processes"]:
            of_process = profile.of_process(process["id"])
            with self.subTest(process["name"], pid=process["id"]):
                share = process["on_cpu_ns"] / truth["on_cpu_ns"]
                self.assert_share(of_process.count() / profile.count(), share, "its share of the tree")
                self.assert_share(of_process.share(process["name"]), 1, "its own function")

    def test_reader_in_the_kernel(self):
        recording = self.record_load("reader", SECONDS)
        profile, truth = recording.profile, recording.truth
        self.assert_function_shares(profile, truth)
        self.assert_count(profile, truth["on_cpu_ns"])
        self.assert_nothing_lost(profile)
        reads = profile.where(lambda sample: sample.has("read_all"))
        in_kernel = reads.count(lambda sample: sample.frames[0].is_kernel)
        self.assert_share(in_kernel / reads.count(), 1, "reads that were sampled in the kernel", points=5)
        self.assert_share(reads.share("vfs_read"), 1, "reads in vfs_read", points=5)
        self.assertTrue(all(frame.name for sample in reads.samples for frame in sample.frames if frame.is_kernel))


class TargetsTest(harness.KilnTest):
    """Who is in the profile."""

    def test_children_that_start_later_belong_to_a_pid(self):
        load = self.load("forks", 20)  # the parent forks after 2 s of CPU, the child after another 3 s
        self.assertEqual(harness.children(load.pid), [])
        family = set()

        def all_have_run():
            for parent in {load.pid, *family}:
                family.update(harness.children(parent))
            return len(family) == 3 and all(harness.on_cpu_ns(pid) > 500_000_000 for pid in family)

        profile = self.record_until(all_have_run, load).profile
        self.assertEqual(profile.labels("process.pid"), {load.pid, *family})
        for function in ("parent_work", "child_work", "grandchild_work"):
            self.assertGreater(profile.share(function), 0.05, function)
        self.assert_named(profile, ["parent_work", "child_work", "grandchild_work"])

    def test_pid_alone_leaves_others_out(self):
        load, other = self.load("shares", 60), self.load("recursion", 60, 5)
        profile = self.record("-p", load.pid, "-d", "3s").profile
        self.assertEqual(profile.labels("process.pid"), {load.pid})
        self.assertEqual(profile.share("bottom"), 0)
        self.assert_share(profile.share("seventy"), 0.7, "seventy", points=5)
        other.finish()

    def test_several_pids(self):
        loads = [self.load("shares", 60), self.load("recursion", 60, 5)]
        profile = self.record("-p", loads[0].pid, "-p", loads[1].pid, "-d", "3s").profile
        self.assertEqual(profile.labels("process.pid"), {load.pid for load in loads})

    def test_thread_names(self):
        self.load("threads", 60)
        profile = self.record("--comm", "^(render|storage)$", "-d", "3s").profile
        self.assertEqual(profile.labels("thread.name"), {"render", "storage"})
        self.assert_share(profile.share("render_work"), 0.5 / 0.7, "render_work", points=5)

    def test_filters_of_different_kinds_must_all_match(self):
        names = self.load("threads", 60)
        self.load("threads", 60)
        profile = self.record("--comm", "^render$", "-p", names.pid, "-d", "3s").profile
        self.assertEqual(profile.labels("process.pid"), {names.pid})
        self.assertEqual(profile.labels("thread.name"), {"render"})

    def test_whole_host_without_idle(self):
        load = self.load("shares", 60)
        profile = self.record("-a", "-d", "3s").profile
        self.assertIn(load.pid, profile.labels("process.pid"))
        self.assertNotIn(0, profile.labels("process.pid"))
        self.assert_share(profile.of_process(load.pid).share("seventy"), 0.7, "seventy", points=5)


if __name__ == "__main__":
    unittest.main()
