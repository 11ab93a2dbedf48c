# SPDX-License-Identifier: Apache-2.0
"""`kiln agent` as a daemon: its configuration changes while it samples, its governor slows it down, and what it says of
itself adds up all the time."""

import json
import math
import pathlib
import unittest

import agent_use
import containers
import harness
import running_agent

AWAY = {"endpoint": "http://127.0.0.1:1", "sending_queue": {"storage": "file_storage"},
        "retry_on_failure": {"max_elapsed_time": "0s"}}


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


class ReloadTest(AgentTest):
    def steps(self):
        """Configurations that follow each other. All keep the exporter file/kept."""
        storage = {"file_storage": {"directory": str(self.folder / "queue")}}

        def away(timeout):
            return "otlphttp/away", {**AWAY, "timeout": timeout}

        yield "frequency", self.config(frequency=997)
        yield "another exporter", self.config(frequency=997, exporters=("kept", "second"))
        yield "window", self.config(window="2s", exporters=("kept", "second"))
        yield "a server that is away", self.config(exporters=("kept", away("1s")), extensions=storage)
        yield "its settings", self.config(exporters=("kept", away("2s")), extensions=storage)
        kept = {"exporters": ("kept", away("2s")), "extensions": storage}
        yield "kernel stacks", self.config(kernel_stacks=False, **kept)
        yield "memory of BPF", self.config(limits={"bpf_memory_mib": 64}, **kept)
        yield "another profiler", self.config(receiver="profiling/other", **kept)
        yield "names", self.config(receiver="profiling/other", **kept,
                                   relabel=[{"action": "set", "target": "zone", "value": "a"}])
        self.last = {**kept, "receiver": "profiling/other", "relabel": [{"action": "set", "target": "zone", "value": "a"}]}
        yield "pages and limits", self.config(**self.last, limits={"cpu_percent": 50},
                                              telemetry={"metrics": {"address": "localhost:0"}, "logs": {"encoding": "json"}})

    def test_under_load_nothing_is_lost_that_is_not_counted(self):
        agent = self.start_agent(self.config())
        load = self.load("shares", 300)
        self.let_run(load)
        for what, config in self.steps():
            said = agent.reload(config)
            self.assertIn("config.reloaded", said, what)
            self.let_run(load)
            if what == "frequency":
                self.refuse_what_is_wrong(agent)
        self.assertNotIn("nothing is different", agent.log(), "the changed file was read twice")
        truth = load.finish()
        self.check_books(agent)
        agent.stop()
        kept = self.windows_of("kept")
        measured = running_agent.cpu_ns(kept, truth["pid"])
        # A profiler that takes another one's place begins when that has ended.
        self.assert_share(measured / truth["on_cpu_ns"], 1, "CPU time in the profiles", points=20 if harness.SANITIZED else 5)
        for function, expected in (("seventy", 0.7), ("thirty", 0.3)):
            of_function = sum(profile.period * profile.count(lambda sample: sample.has(function)) for profile in kept)
            self.assert_share(of_function / measured, expected, function)
        self.assertEqual({profile.period for profile in kept}, {round(1e9 / 499), round(1e9 / 997)})
        self.assertEqual({sample.labels.get("zone") for sample in kept[-1].samples}, {"a"})
        self.assertNotIn("zone", kept[0].samples[0].labels)

    def check_books(self, agent):
        """After the load has ended no sample comes any more."""
        def value(name, **labels):
            inside = ",".join(f'{key}="{text}"' for key, text in sorted(labels.items()))
            return metrics.get(f"{name}{{{inside}}}" if inside else name, 0)

        def settled():
            nonlocal metrics
            metrics = agent.metrics()
            return (value("kiln_profiling_samples_total") == value("kiln_profiling_window_samples_total")
                    and value("kiln_pipeline_queued_samples", exporter="file/kept", signal="profiles") == 0
                    and value("kiln_pipeline_in_flight_samples", exporter="file/kept", signal="profiles") == 0)

        metrics = {}
        agent.wait_until(settled, "all samples are in windows and sent")
        samples = value("kiln_profiling_samples_total")
        self.assertGreater(samples, 5 * 499)
        lost = {name: number for name, number in metrics.items() if "_lost_samples_total" in name and number}
        self.assertEqual(lost, {})
        self.assertEqual(value("kiln_profiling_refused_samples_total"), 0)
        for exporter in ("file/kept", "file/second", "otlphttp/away"):
            of = {"exporter": exporter, "signal": "profiles"}
            into = sum(value(f"kiln_pipeline_{way}_samples_total", **of) for way in ("accepted", "restored"))
            out = sum(value(f"kiln_pipeline_{way}_samples_total", **of) for way in ("delivered", "left"))
            out += sum(number for name, number in metrics.items()
                       if name.startswith("kiln_pipeline_dropped_samples_total") and f'"{exporter}"' in name)
            waits = sum(value(f"kiln_pipeline_{state}_samples", **of) for state in ("queued", "in_flight"))
            self.assertGreater(into, 0, exporter)
            self.assertEqual(into, out + waits, exporter)
        of_kept = {"exporter": "file/kept", "signal": "profiles"}
        self.assertEqual(value("kiln_pipeline_accepted_samples_total", **of_kept), samples)
        self.assertEqual(value("kiln_pipeline_delivered_samples_total", **of_kept), samples)
        self.assertEqual(sum(profile.count() for profile in self.windows_of("kept")), samples)
        of_second = {"exporter": "file/second", "signal": "profiles"}
        self.assertEqual(sum(profile.count() for profile in self.windows_of("second")),
                         value("kiln_pipeline_delivered_samples_total", **of_second))
        # What waited in the storage was handed on, from the settings before to the settings after.
        of_away = {"exporter": "otlphttp/away", "signal": "profiles"}
        self.assertEqual(value("kiln_pipeline_delivered_samples_total", **of_away), 0)
        self.assertGreater(value("kiln_pipeline_restored_samples_total", **of_away), 0)

    def refuse_what_is_wrong(self, agent):
        """What is in force stays."""
        now = agent.get("/debug/config")
        wrong = json.dumps(self.config(), indent=1).replace('"frequency"', '"frequencey"')
        line = next(i for i, text in enumerate(wrong.splitlines(), 1) if "frequencey" in text)
        said = agent.reload(wrong)
        self.assertIn("config.refused", said)
        self.assertRegex(said, rf"kiln\.yaml:{line}:\d+: receivers\.profiling\.frequencey: .*frequency")
        said = agent.reload(self.config(frequency=97, exporters=("kept", ("file/nowhere", {"path": "/nonexistent/x"}))))
        self.assertIn("config.refused", said)
        self.assertIn("exporters.file/nowhere", said)
        self.assertIn("/nonexistent/x", said)
        said = agent.reload(self.config(frequency=97, telemetry={"metrics": {"address": "192.0.2.1:1"}}))
        self.assertIn("config.refused", said)
        self.assertIn("service.telemetry.metrics.address", said)
        self.assertEqual(agent.get("/debug/config"), now)
        self.assertEqual(agent.metrics()["kiln_profiling_frequency_hertz"], 997)

    def test_a_changed_file_is_enough(self):
        agent = self.start_agent(self.config())
        agent.write(self.config(frequency=97))
        agent.wait_until(lambda: "config.reloaded" in agent.log(), "it sees the change")
        agent.wait_until(lambda: agent.metrics()["kiln_profiling_frequency_hertz"] == 97, "the new frequency")
        agent.write("receivers: [")
        agent.wait_until(lambda: "config.refused" in agent.log(), "it sees the next change")
        self.assertEqual(agent.metrics()['kiln_config_reloads_total{outcome="failure"}'], 1)
        agent.stop()


class CostTest(AgentTest):
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
        if not harness.SANITIZED:
            self.assertLessEqual(max(use.rss for use in uses), 64 << 20)
        self.assertLessEqual(max(use.map_bytes for use in uses), 64 << 20)
        windows = self.windows_of("kept")
        self.assertEqual(set().union(*(profile.labels("container.id") for profile in windows)) & set(load.ids), set(load.ids))
        services = set().union(*(profile.labels("service.name") for profile in windows))
        self.assertLessEqual({f"service-{i}" for i in range(50)}, services)


class GovernorTest(AgentTest):
    def test_totals_stay_right_while_it_slows_down(self):
        """The limit, when it comes, is far below what 997 Hz take."""
        agent = self.start_agent(self.config(frequency=997))
        load = self.load("shares", 300)
        self.let_run(load)
        self.assertIn("config.reloaded", agent.reload(self.config(frequency=997, limits={"cpu_percent": 0.05})))
        agent.wait_until(lambda: agent.metrics()["kiln_profiling_frequency_hertz"] < 200, "it slows down")
        self.let_run(load, 3)
        truth = load.finish()
        agent.stop()
        kept = self.windows_of("kept")
        periods = {profile.period for profile in kept}
        self.assertGreaterEqual(len(periods), 2, periods)
        self.assertIn(" governor: sampling goes on with frequency ", agent.log())
        measured = running_agent.cpu_ns(kept, truth["pid"])
        # Few samples are a coarse measure: four standard deviations of what chance does.
        chance = 4 * math.sqrt(sum(profile.of_process(truth["pid"]).count() * profile.period**2 for profile in kept))
        tolerance = (0.2 if harness.SANITIZED else 0.05) * truth["on_cpu_ns"] + chance
        self.assertLessEqual(abs(measured - truth["on_cpu_ns"]), tolerance)


if __name__ == "__main__":
    unittest.main()
