# SPDX-License-Identifier: Apache-2.0
"""`kiln agent` as a daemon: its configuration changes while it samples, and what it says of itself adds up all the time."""

import json
import unittest

import agent_case
import harness
import running_agent

AWAY = {"endpoint": "http://127.0.0.1:1", "sending_queue": {"storage": "file_storage"},
        "retry_on_failure": {"max_elapsed_time": "0s"}}


class ReloadTest(agent_case.AgentTest):
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
            # The first may have begun before the reload.
            windows = agent.metrics()["kiln_profiling_windows_total"]
            agent.wait_until(lambda: agent.metrics()["kiln_profiling_windows_total"] >= windows + 2, "two windows")
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

        def balance(exporter):
            """What went in and is not accounted for."""
            of = {"exporter": exporter, "signal": "profiles"}
            into = sum(value(f"kiln_pipeline_{way}_samples_total", **of) for way in ("accepted", "restored"))
            self.assertGreater(into, 0, exporter)
            out = sum(value(f"kiln_pipeline_{way}_samples_total", **of) for way in ("delivered", "left"))
            out += sum(number for name, number in metrics.items()
                       if name.startswith("kiln_pipeline_dropped_samples_total") and f'"{exporter}"' in name)
            return into - out - sum(value(f"kiln_pipeline_{state}_samples", **of) for state in ("queued", "in_flight"))

        def settled():
            nonlocal metrics
            metrics = agent.metrics()
            # The page is read while requests go to and fro: not every reading has each of them once.
            if any(balance(exporter) != 0 for exporter in ("file/kept", "file/second", "otlphttp/away")):
                return False
            samples = value("kiln_profiling_samples_total")
            of_kept = {"exporter": "file/kept", "signal": "profiles"}
            return (samples == value("kiln_profiling_window_samples_total")
                    == value("kiln_pipeline_accepted_samples_total", **of_kept)
                    == value("kiln_pipeline_delivered_samples_total", **of_kept)
                    and value("kiln_pipeline_queued_samples", exporter="file/kept", signal="profiles") == 0
                    and value("kiln_pipeline_in_flight_samples", exporter="file/kept", signal="profiles") == 0)

        metrics = {}
        agent.wait_until(settled, "all samples are in windows and sent, and the books balance")
        samples = value("kiln_profiling_samples_total")
        self.assertGreater(samples, 5 * 499)
        losses = {name: number for name, number in metrics.items() if "_lost_samples_total" in name}
        self.assertIn('kiln_profiling_lost_samples_total{reason="undecodable"}', losses)
        self.assertEqual({name: number for name, number in losses.items() if number}, {})
        self.assertEqual(metrics["kiln_profiling_refused_samples_total"], 0)
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


if __name__ == "__main__":
    unittest.main()
