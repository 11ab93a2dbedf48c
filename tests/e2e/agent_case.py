# SPDX-License-Identifier: Apache-2.0
"""What tests of `kiln agent` share: one that samples a load alone, into files."""

import harness
import running_agent


class AgentTest(harness.KilnTest):
    def start_agent(self, config, **arguments):
        agent = running_agent.Agent(self.folder, config, **arguments)
        self.addCleanup(agent.process.wait)
        self.addCleanup(agent.process.kill)
        agent.wait_started()
        return agent

    def config(self, *, receiver="profiling", exporters=("kept",), extensions=None, telemetry=None, limits=None, **settings):
        """The load alone, to files in a folder for each exporter. `settings` are the receiver's; an exporter is a name or
        (id, settings)."""
        named = [one if isinstance(one, tuple) else (f"file/{one}", {"path": str(self.folder / one), "format": "pprof"})
                 for one in exporters]
        return {
            "receivers": {receiver: {"frequency": 499, "window": "1s", "filters": {"comm": "^shares$"}, **settings}},
            "exporters": dict(named), "extensions": extensions or {},
            "service": {"extensions": list(extensions or {}),
                        "pipelines": {"profiles": {"receivers": [receiver], "exporters": [id for id, _ in named]}},
                        "telemetry": telemetry or {"metrics": {"address": "127.0.0.1:0"}}, "limits": limits or {}}}

    def let_run(self, load, seconds=1):
        """Returns when the load has had so much more CPU time."""
        enough = load.on_cpu_ns() + seconds * 1e9
        harness.wait_until(lambda: load.on_cpu_ns() > enough, "the load runs")

    def windows_of(self, name):
        return running_agent.profiles(self.folder / name)
