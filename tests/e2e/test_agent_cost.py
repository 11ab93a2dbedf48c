# SPDX-License-Identifier: Apache-2.0
"""What `kiln agent` takes on a node with many containers, and that its governor keeps totals right. Not under sanitizers,
which take many times as much."""

import math
import os
import unittest

import agent_case
import agent_use
import containers
import running_agent


class CostTest(agent_case.AgentTest):
    """What the agent may cost on a node with many containers. Ten minutes of it: scripts/bench --agent."""

    def test_memory_beside_200_processes_in_50_containers(self):
        config = self.config(frequency=99, window="5s")
        config["receivers"]["profiling"]["filters"] = {}
        agent = self.start_agent(config)
        with containers.Containers(self.folder) as load:
            uses = []

            def some_windows():
                load.check()
                uses.append(agent_use.read(agent.process.pid))
                return len(list((self.folder / "kept").iterdir())) >= 8

            agent.wait_until(some_windows, "some windows")
        agent.stop()
        self.assertLessEqual(max(use.rss for use in uses), 64 << 20)
        self.assertLessEqual(max(use.map_bytes for use in uses), 64 << 20)
        windows = self.windows_of("kept")
        self.assertLessEqual(set(load.ids), set().union(*(profile.labels("container.id") for profile in windows)))
        services = set().union(*(profile.labels("service.name") for profile in windows))
        self.assertLessEqual({f"service-{i}" for i in range(50)}, services)


class GovernorTest(agent_case.AgentTest):
    def test_totals_stay_right_while_it_slows_down(self):
        """The limit, when it comes, is far below what 997 Hz take."""
        agent = self.start_agent(self.config(frequency=997))
        load = self.load("shares", 300)
        self.let_run(load)
        limits = {"cpu_percent": max(0.01, 0.1 / os.cpu_count())}
        self.assertIn("config.reloaded", agent.reload(self.config(frequency=997, limits=limits)))
        agent.wait_until(lambda: agent.metrics()["kiln_profiling_frequency_hertz"] < 500, "it slows down")
        # At a wrong period these would be missed: they are a good part of all, and many samples still.
        self.let_run(load, 5)
        truth = load.finish()
        agent.stop()
        kept = self.windows_of("kept")
        periods = {profile.period for profile in kept}
        self.assertGreaterEqual(len(periods), 2, periods)
        self.assertIn(" governor: sampling goes on with frequency ", agent.log())
        measured = running_agent.cpu_ns(kept, truth["pid"])
        # Few samples are a coarse measure: four standard deviations of what chance does.
        chance = 4 * math.sqrt(sum(profile.of_process(truth["pid"]).count() * profile.period**2 for profile in kept))
        tolerance = 0.05 * truth["on_cpu_ns"] + chance
        self.assertLessEqual(abs(measured - truth["on_cpu_ns"]), tolerance)


if __name__ == "__main__":
    unittest.main()
