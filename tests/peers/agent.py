# SPDX-License-Identifier: Apache-2.0
"""Runs `kiln agent` for a test. KILN is the kiln binary, KILN_PROGRAMS the folder of the loads (tests/e2e/harness.py)."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import peers

sys.path.append(str(peers.ROOT / "tests" / "e2e"))
import harness  # noqa: E402

# With a window of 1 s; far above what it takes.
SECONDS = 120
RETRY = {"initial_interval": "100ms", "max_interval": "500ms"}


class Agent:
    """A running agent whose BPF programs are attached."""

    def __init__(self, folder, config):
        self.folder = pathlib.Path(folder)
        path = self.folder / "kiln.yaml"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
        with open(self.folder / "kiln.log", "wb") as log:
            self.process = subprocess.Popen([harness.kiln(), "agent", "--config", path], stdout=log, stderr=log,
                                            cwd=self.folder)
        self.wait_until(lambda: harness.has_perf_events(self.process.pid), "kiln agent opens its perf events")

    def log(self):
        return (self.folder / "kiln.log").read_text(encoding="utf-8", errors="replace")

    def wait_until(self, condition, what):
        try:
            return peers.wait_until(condition, what, SECONDS, self.process)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def stop(self):
        """Asks it to end, upon which it sends what it has."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=SECONDS)
        if self.process.returncode != 0:
            raise AssertionError(f"kiln agent ended with {self.process.returncode}\n{self.log()}")


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kiln-agent-"))
        self.addCleanup(shutil.rmtree, self.folder)
        if os.geteuid() != 0:
            self.fail("needs root")

    def start_agent(self, exporters, frequency=199, **config):
        agent = Agent(self.folder, {
            "receivers": {"profiling": {"frequency": frequency, "window": "1s"}}, "exporters": exporters, **config,
            "service": {"extensions": list(config.get("extensions", {})),
                        "pipelines": {"profiles": {"receivers": ["profiling"], "exporters": list(exporters)}},
                        "telemetry": {"metrics": {"address": "127.0.0.1:0"}}}})
        self.addCleanup(agent.process.wait)
        self.addCleanup(agent.process.kill)
        return agent

    def run_load(self, name, *arguments, **environment):
        """Runs a load to its end; its ground truth."""
        output = subprocess.run([harness.program(name), *map(str, arguments)], env={**os.environ, **environment},
                                capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        (truth,) = harness.truths(output)
        return truth

    def assert_share(self, part, whole, expected, what, points=3):
        self.assertLess(abs(part / whole - expected) * 100, points, f"{what}: {part / whole:.1%}, not {expected:.1%}")


def attributes(resource):
    """{key: text or int} of literal resource attributes."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in resource.resource.attributes}
