# SPDX-License-Identifier: Apache-2.0
"""Runs kiln and the test loads (tests/programs), for the tests in this folder.

The environment says where they are: KILN is the kiln binary, KILN_PROGRAMS the folder of the loads. CI set to anything
means that a test may not skip.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import pprof

HZ = 997
# A sanitizer makes kiln many times slower, and so it disturbs what it measures: counts are coarse then.
SANITIZED = bool(os.environ.get("KILN_SANITIZE"))
TIMEOUT_SECONDS = 180  # for anything that a test waits for; far above what it takes


def kiln():
    return os.environ["KILN"]


def program(name):
    return str(pathlib.Path(os.environ["KILN_PROGRAMS"]) / name)


def wait_until(condition, what):
    """Polls until condition() holds and returns its value; a test that waits too long fails."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.02)
    return value


def link_target(path):
    """What a link under /proc points to; "" if it went away meanwhile, as open files and processes do."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def on_cpu_ns(pid):
    """CPU time of a process's main thread so far."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def has_perf_events(pid):
    return any("perf_event" in link_target(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())


def children(pid):
    """Pids that the main thread of a process has forked and not yet waited for."""
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def truths(output):
    """The ground truth lines that loads printed among `output`."""
    return [json.loads(line) for line in output.splitlines() if line.startswith('{"program":')]


@dataclasses.dataclass(frozen=True)
class Recording:
    status: int
    stdout: str
    stderr: str
    folder: pathlib.Path

    @property
    def truth(self):
        """What the one load that kiln started said about itself."""
        (truth,) = truths(self.stdout)
        return truth

    @property
    def profile(self):
        return pprof.read(self.folder / "out.pb.gz")


class Load:
    """A running load that kiln did not start."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([program(name), *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        wait_until(self.catches_sigterm, f"{name} starts")

    def catches_sigterm(self):
        """Loads do from their start on; before, the pid is still a copy of this Python."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        caught = int(status.split("SigCgt:", 1)[1].split()[0], 16)
        return caught >> signal.SIGTERM - 1 & 1

    def read_line(self):
        return self.process.stdout.readline()

    def on_cpu_ns(self):
        return on_cpu_ns(self.pid)

    def finish(self):
        """Asks the load to end; its ground truth."""
        self.process.terminate()
        (truth,) = truths(self.process.communicate(timeout=TIMEOUT_SECONDS)[0])
        return truth

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=TIMEOUT_SECONDS)


class KilnTest(unittest.TestCase):
    """A test with a folder of its own, from which kiln runs."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kiln-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def require(self, condition, reason):
        """Skips the test unless `condition` holds; in CI that is a failure."""
        if condition:
            return
        if os.environ.get("CI"):
            self.fail(f"missing in CI: {reason}")
        self.skipTest(reason)

    def load(self, name, *arguments):
        load = Load(name, *arguments)
        self.addCleanup(load.kill)
        return load

    def start_kiln(self, *arguments):
        process = subprocess.Popen(
            [kiln(), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def finish_kiln(self, process):
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        return Recording(process.returncode, stdout, stderr, self.folder)

    def run_kiln(self, *arguments):
        return self.finish_kiln(self.start_kiln(*arguments))

    def start_record(self, *arguments, outputs=("out.pb.gz",)):
        files = [word for output in outputs for word in ("-o", output)]
        # Where kiln sees itself it reads its own debug information, which takes it a second, but minutes under a sanitizer.
        names = ["--no-debug-info"] if SANITIZED and not any("--debug" in str(word) for word in arguments) else []
        return self.start_kiln("record", "-F", HZ, *files, *names, *arguments)

    def record(self, *arguments, outputs=("out.pb.gz",), status=0):
        """Runs `kiln record -F 997 -o out.pb.gz ARGUMENTS…` to its end; fails unless it exits with `status`."""
        recording = self.finish_kiln(self.start_record(*arguments, outputs=outputs))
        self.assertEqual(recording.status, status, f"{recording.stdout}\n{recording.stderr}")
        return recording

    def record_load(self, name, *arguments, outputs=("out.pb.gz",)):
        """Has kiln start a load and record it."""
        return self.record("--", program(name), *arguments, outputs=outputs)

    def wait_for_recording(self, process, load):
        """Returns when kiln has begun to sample: it has perf events open and the load has run half a second since."""

        wait_until(lambda: has_perf_events(process.pid), "kiln opens its perf events")
        enough_ns = load.on_cpu_ns() + 500_000_000
        wait_until(lambda: load.on_cpu_ns() > enough_ns, "the load runs")

    def record_until(self, condition, load):
        """Records a running load until condition() holds, then interrupts kiln as Ctrl-C does."""
        kiln = self.start_record("-p", load.pid)
        self.wait_for_recording(kiln, load)
        wait_until(condition, "what this recording is to see")
        kiln.send_signal(signal.SIGINT)
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0, f"{recording.stdout}\n{recording.stderr}")
        return recording

    def assert_share(self, share, expected, what, points=3):
        """Both from 0 to 1."""
        self.assertLessEqual(
            abs(share - expected) * 100, points, f"{what}: {share:.1%}, should be {expected:.1%} ± {points} points"
        )

    def assert_function_shares(self, profile, truth, points=3):
        """Each function of the truth has its part of what the functions took together."""
        functions = truth["functions"]
        together = sum(functions.values())
        for name, spent_ns in functions.items():
            self.assert_share(profile.share(name), spent_ns / together, name, points)

    def assert_count(self, profile, on_cpu_ns, processes=1):
        """As many samples as the CPU time asks for, within 3 % and half a sample for each process: where it begins
        between two ticks is not by chance, for it begins when another one ends, or when a tick has woken somebody.
        """
        expected = HZ * on_cpu_ns / 1e9
        tolerance = expected * (0.2 if SANITIZED else 0.03) + processes / 2
        self.assertLessEqual(
            abs(profile.count() - expected), tolerance, f"{profile.count()} samples, not {expected:.0f} ± {tolerance:.0f}"
        )

    def assert_nothing_lost(self, profile):
        self.assertIn("kiln.samples.lost", profile.properties)
        losses = ("lost", "ring_full", "no_scratch", "no_ring", "targets_full")
        lost = {key: value for key, value in profile.properties.items() if key.endswith(losses) and value != "0"}
        self.assertEqual(lost, {})

    def assert_named(self, profile, functions, points=3):
        """All but a few points of the samples have one of `functions` on the stack."""
        count = profile.count(lambda sample: any(sample.has(function) for function in functions))
        self.assertGreater(profile.count(), 0)
        self.assert_share(count / profile.count(), 1, f"samples with {' or '.join(functions)}", points)

    def assert_one_error_line(self, recording, status, *words):
        """kiln failed with `status` and said why in one line on stderr that has all `words`."""
        self.assertEqual(recording.status, status, recording.stderr)
        self.assertEqual(len(recording.stderr.splitlines()), 1, recording.stderr)
        for word in words:
            self.assertIn(word, recording.stderr)
