# SPDX-License-Identifier: Apache-2.0
"""`kiln record` and `kiln agent` by an ordinary user with the eight capabilities of packaging/kiln-agent.service, and with each of them
missing: what it says and what lacks.

A container may not have all eight to give (docker gives no CAP_SYS_RESOURCE): what is tested then is that it goes without.
"""

import dataclasses
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import unittest

import harness
import running_agent

EX_NOPERM = 77
USER = 64999  # nobody's: no other process counts against its limits
BITS = {
    "dac_read_search": 2,
    "ipc_lock": 14,
    "sys_ptrace": 19,
    "sys_resource": 24,
    "syslog": 34,
    "perfmon": 38,
    "bpf": 39,
    "checkpoint_restore": 40,
}


def bounding_set():
    status = pathlib.Path("/proc/self/status").read_text()
    bits = int(status.split("CapBnd:", 1)[1].split()[0], 16)
    return {name for name, bit in BITS.items() if bits >> bit & 1}


def kernel_version():
    return tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", platform.release()).groups())


class CapabilityTest(harness.KilnTest):
    def setUp(self):
        super().setUp()
        # Where that user can reach it and write, wherever the build is.
        self.program = self.folder / "kiln"
        shutil.copy(harness.kiln(), self.program)
        self.program.chmod(0o755)
        self.folder.chmod(0o777)

    def command_as_user(self, capabilities, limits=()):
        given = ",".join(["-all", *(f"+{name}" for name in sorted(capabilities))])
        return [*limits, "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
                f"--bounding-set={given}", f"--inh-caps={given}", f"--ambient-caps={given}", self.program]

    def start_as_user(self, capabilities, *arguments, limits=()):
        process = subprocess.Popen(
            [*self.command_as_user(capabilities, limits), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def record_as_user(self, capabilities, *arguments):
        (self.folder / "out.pb.gz").unlink(missing_ok=True)
        return self.finish_kiln(
            self.start_as_user(capabilities, "record", "-F", "199", "-d", "3s", "--unwind-cache", "none", "-o", "out.pb.gz",
                               *arguments))

    def all_but(self, *missing):
        """The eight without some, as far as there are any to give."""
        given = bounding_set()
        self.require(set(BITS) - {"sys_resource"} <= given, "the capabilities that kiln needs")
        return given - set(missing)

    def start_loads(self):
        """Programs of root: one whose file is deleted, one that only root may read, one that works in the kernel."""
        self.deleted = self.load("deleted", 300)
        harness.wait_until(
            lambda: harness.link_target(f"/proc/{self.deleted.pid}/exe").endswith(" (deleted)"), "the file is deleted")
        secret = self.folder / "secret"
        shutil.copy(harness.program("recursion"), secret)
        secret.chmod(0o700)
        process = subprocess.Popen([secret, "300", "10"], stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.secret_pid = process.pid
        self.reader = self.load("reader", 300)

    def assert_outcome(self, recording, *, deleted=True, secret=True, kernel=True):
        """Which of the loads have names."""
        self.assertEqual(recording.status, 0, recording.stderr)
        self.assert_named_loads(recording.profile, recording.stdout, deleted=deleted, secret=secret, kernel=kernel)

    def assert_named_loads(self, profile, said, *, deleted=True, secret=True, kernel=True):
        named = {
            "deleted": profile.of_process(self.deleted.pid).share("in_deleted_file") > 0.9,
            "secret": profile.of_process(self.secret_pid).share("bottom") > 0.9,
            "kernel": profile.of_process(self.reader.pid).count(
                lambda sample: any(frame.is_kernel and not frame.name.startswith("[") for frame in sample.frames)) > 0,
        }
        self.assertEqual(named, {"deleted": deleted, "secret": secret, "kernel": kernel}, said)

    def assert_one_warning(self, recording, name, *words):
        warnings = [line for line in recording.stderr.splitlines() if "warning" in line]
        self.assertEqual(len(warnings), 1, recording.stderr)
        for word in (f"without cap_{name} ", *words, f"AmbientCapabilities=CAP_{name.upper()} "):
            self.assertIn(word, warnings[0])


class AllEightTest(CapabilityTest):
    def test_ordinary_user_with_the_eight_sees_everything(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but())
        self.assert_outcome(recording)
        self.assertNotIn("warning", recording.stderr)
        self.assertEqual((self.folder / "out.pb.gz").stat().st_uid, USER)

    def test_the_unit_asks_for_exactly_these(self):
        unit = (pathlib.Path(__file__).parents[2] / "packaging" / "kiln-agent.service").read_text()
        for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
            (line,) = [line for line in unit.splitlines() if line.startswith(f"{key}=")]
            self.assertEqual(set(line.split("=")[1].split()), {f"CAP_{name.upper()}" for name in BITS})


class WithoutAnyTest(CapabilityTest):
    def test_is_told_in_one_sentence(self):
        self.assert_one_error_line(self.record_as_user(()), EX_NOPERM, "sudo kiln", "CAP_BPF and CAP_PERFMON")


class MissingOneTest(CapabilityTest):
    def test_bpf(self):
        recording = self.record_as_user(self.all_but("bpf"))
        self.assert_one_error_line(
            recording, EX_NOPERM, "without cap_bpf no BPF program can be loaded", "AmbientCapabilities=CAP_BPF ")

    def test_perfmon(self):
        recording = self.record_as_user(self.all_but("perfmon"))
        self.assert_one_error_line(
            recording, EX_NOPERM, "without cap_perfmon no process but one's own", "AmbientCapabilities=CAP_PERFMON ")

    def test_sys_ptrace(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but("sys_ptrace"))
        self.assert_one_warning(recording, "sys_ptrace", "other users' programs have no names", "deleted")
        self.assertEqual(recording.status, 0)
        self.assertLess(recording.profile.of_process(self.deleted.pid).share("in_deleted_file"), 0.1)

    def test_dac_read_search(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but("dac_read_search"))
        self.assert_one_warning(recording, "dac_read_search", "programs that this user may not read")
        # What is deleted here was readable by root only, too.
        self.assert_outcome(recording, secret=False, deleted=False)

    def test_checkpoint_restore(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but("checkpoint_restore"))
        self.assert_one_warning(recording, "checkpoint_restore", "file was deleted or replaced have no names")
        self.assert_outcome(recording, deleted=False)

    def test_syslog(self):
        paranoid = int(pathlib.Path("/proc/sys/kernel/perf_event_paranoid").read_text())
        restrict = int(pathlib.Path("/proc/sys/kernel/kptr_restrict").read_text())
        self.require(restrict < 2 and (restrict == 1 or paranoid > 1), "a kernel that shows its addresses to CAP_SYSLOG only")
        self.start_loads()
        recording = self.record_as_user(self.all_but("syslog"))
        self.assert_one_warning(recording, "syslog", "kernel functions have no names")
        self.assert_outcome(recording, kernel=False)

    def test_ipc_lock(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but("ipc_lock"))
        self.assert_one_warning(recording, "ipc_lock", "kernel.perf_event_mlock_kb")
        self.assert_outcome(recording)

    def test_ipc_lock_for_a_second_recording_of_the_same_user(self):
        """The first takes all that kernel.perf_event_mlock_kb gives a user; beyond that counts RLIMIT_MEMLOCK."""
        limit = int(pathlib.Path("/proc/sys/kernel/perf_event_mlock_kb").read_text())
        self.require(limit == 516, "kernel.perf_event_mlock_kb as the kernel sets it")
        arguments = ("record", "-d", "300s", "--unwind-cache", "none", "-o", "first.pb.gz")
        no_memlock = ("prlimit", "--memlock=0:0")
        self.start_loads()
        first = self.start_as_user(self.all_but("ipc_lock"), *arguments, limits=no_memlock)
        harness.wait_until(
            lambda: "perf_event" in pathlib.Path(f"/proc/{first.pid}/maps").read_text() and harness.has_perf_events(first.pid),
            "the first maps its rings")
        second = self.finish_kiln(
            self.start_as_user(self.all_but("ipc_lock"), *arguments[:2], "1s", *arguments[3:], limits=no_memlock))
        self.assertEqual(second.status, EX_NOPERM, second.stderr)
        self.assertIn("capability IPC_LOCK", second.stderr)
        self.assertIn("kernel.perf_event_mlock_kb", second.stderr)
        with_it = self.finish_kiln(
            self.start_as_user(self.all_but(), "record", "-d", "2s", "-o", "third.pb.gz", limits=no_memlock))
        self.assertEqual(with_it.status, 0, with_it.stderr)
        first.send_signal(signal.SIGINT)
        self.assertEqual(self.finish_kiln(first).status, 0)

    def test_sys_resource(self):
        self.start_loads()
        recording = self.record_as_user(self.all_but("sys_resource"), "-v")
        if kernel_version() < (5, 11):
            self.assert_one_warning(recording, "sys_resource", "RLIMIT_MEMLOCK")
        else:
            self.assertIn("info: cap_sys_resource is not there and not needed", recording.stderr)
            self.assertNotIn("warning", recording.stderr)
            self.assert_outcome(recording)


# What kiln agent says without a capability, beside its name, and which of the loads it can't name then.
AGENT_LACKS = {
    "bpf": ("no BPF program can be loaded", {}),
    "perfmon": ("no process but one's own", {}),
    "sys_ptrace": ("other users' programs have no names", {"deleted": False}),
    "dac_read_search": ("programs that this user may not read", {"deleted": False, "secret": False}),
    "checkpoint_restore": ("file was deleted or replaced have no names", {"deleted": False}),
    "syslog": ("kernel functions have no names", {"kernel": False}),
    "ipc_lock": ("kernel.perf_event_mlock_kb", {}),
}


class AgentTest(CapabilityTest):
    """As packaging/kiln-agent.service runs it, with a queue and files of its own."""

    def start_agent(self, capabilities):
        agent = running_agent.Agent(self.folder, {
            "receivers": {"profiling": {"frequency": 199, "window": "2s", "unwind_cache": "none"}},
            "exporters": {"file": {"path": str(self.folder / "profiles"), "format": "pprof"},
                          "otlphttp": {"endpoint": "http://127.0.0.1:1", "sending_queue": {"storage": "file_storage"}}},
            "extensions": {"file_storage": {"directory": str(self.folder / "queue")}},
            "service": {"extensions": ["file_storage"],
                        "pipelines": {"profiles": {"receivers": ["profiling"], "exporters": ["file", "otlphttp"]}},
                        "telemetry": {"metrics": {"address": "127.0.0.1:0"}}}},
            command=self.command_as_user(capabilities), env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
        self.addCleanup(agent.process.wait)
        self.addCleanup(agent.process.kill)
        return agent

    def merged_profile(self, agent):
        """The first three windows in one."""
        agent.wait_started()
        folder = self.folder / "profiles"
        agent.wait_until(lambda: len(list(folder.iterdir())) >= 3, "three windows")
        agent.stop()
        profiles = running_agent.profiles(folder)
        return dataclasses.replace(profiles[0], samples=[sample for profile in profiles for sample in profile.samples])

    def test_with_the_eight_it_sees_everything(self):
        self.start_loads()
        agent = self.start_agent(self.all_but())
        profile = self.merged_profile(agent)
        self.assert_named_loads(profile, agent.log())
        self.assertNotIn("privileges", agent.log())
        for sample in profile.of_process(self.secret_pid).samples:
            self.assertEqual(sample.labels["process.executable.name"], "secret")
        self.assertEqual({path.stat().st_uid for path in (self.folder / "queue").iterdir()}, {USER})

    def test_without_one_it_says_which_and_what_lacks(self):
        self.start_loads()
        for name, (says, lacks) in AGENT_LACKS.items():
            with self.subTest(name):
                shutil.rmtree(self.folder / "profiles", ignore_errors=True)
                agent = self.start_agent(self.all_but(name))
                if name in ("bpf", "perfmon"):
                    self.assertEqual(agent.process.wait(harness.TIMEOUT_SECONDS), EX_NOPERM, agent.log())
                    lines = agent.log().splitlines()
                    self.assertEqual(len(lines), 1, lines)
                    self.assertIn(" ERROR start: ", lines[0])
                else:
                    profile = self.merged_profile(agent)
                    self.assert_named_loads(profile, agent.log(), **lacks)
                    lines = [line for line in agent.log().splitlines() if " privileges: " in line]
                    self.assertEqual(len(lines), 1, agent.log())
                for words in (f"without cap_{name} ", says, f"AmbientCapabilities=CAP_{name.upper()} "):
                    self.assertIn(words, lines[0])

    def test_without_any(self):
        agent = self.start_agent(())
        self.assertEqual(agent.process.wait(harness.TIMEOUT_SECONDS), EX_NOPERM)
        self.assertIn("CAP_BPF and CAP_PERFMON", agent.log())


if __name__ == "__main__":
    unittest.main()
