# SPDX-License-Identifier: Apache-2.0
"""Runs `kiln agent` for a test. KILN is the kiln binary, KILN_PROGRAMS the folder of the loads (tests/e2e/harness.py)."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import peers

sys.path.append(str(peers.ROOT / "tests" / "e2e"))
import harness  # noqa: E402
import running_agent  # noqa: E402

# With a window of 1 s; far above what it takes.
SECONDS = 120
RETRY = {"initial_interval": "100ms", "max_interval": "500ms"}


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kiln-agent-"))
        self.addCleanup(shutil.rmtree, self.folder)
        if os.geteuid() != 0:
            self.fail("needs root")

    def start_agent(self, exporters, frequency=199, **config):
        agent = running_agent.Agent(self.folder, {
            "receivers": {"profiling": {"frequency": frequency, "window": "1s"}}, "exporters": exporters, **config,
            "service": {"extensions": list(config.get("extensions", {})),
                        "pipelines": {"profiles": {"receivers": ["profiling"], "exporters": list(exporters)}},
                        "telemetry": {"metrics": {"address": "127.0.0.1:0"}}}})
        self.addCleanup(agent.process.wait)
        self.addCleanup(agent.process.kill)
        agent.wait_started()
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
