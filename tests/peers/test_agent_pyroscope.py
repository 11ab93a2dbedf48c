# SPDX-License-Identifier: Apache-2.0
"""`kiln agent` pushes to Pyroscope by OTLP/gRPC, OTLP/HTTP and push.v1, and what is queried back is what ran: against the
stand-in always, and against the server that KILN_PYROSCOPE names (a URL or a binary)."""
import contextlib
import unittest
import uuid

import peers

peers.need_python()
import agent  # noqa: E402
import pyroscope_client  # noqa: E402
from http_server import Fault, grpc_error, text  # noqa: E402
from pyroscope_client import CPU, Pyroscope  # noqa: E402
from pyroscope_stand_in import OTLP_GRPC, OTLP_HTTP, PUSH, StandIn  # noqa: E402

HZ = 499


class Ways:
    """What holds for the stand-in and the real one. `server` is set."""

    def exporters(self):
        """One for each way: (exporter, settings, what it makes of the dots in names of labels)."""
        address = self.server.url.removeprefix("http://")
        # A server that is slow to answer is sent the same once more, and counts it twice.
        common = {"retry_on_failure": agent.RETRY, "timeout": "60s"}
        return [("otlp", {"endpoint": address, "tls": {"insecure": True}, **common}, "."),
                ("otlphttp", {"endpoint": self.server.url, **common}, "."),
                ("pyroscope", {"endpoint": self.server.url, **common}, "_")]

    def run_one(self, name, settings):
        """(service, ground truth) of a run whose profiles were all sent."""
        service = "kiln-" + uuid.uuid4().hex[:12]
        running = self.start_agent({name: settings}, HZ)
        truth = self.run_load("shares", 4, OTEL_SERVICE_NAME=service)
        running.stop()
        return service, truth

    def test_each_way(self):
        for name, settings, dot in self.exporters():
            with self.subTest(name):
                service, truth = self.run_one(name, settings)
                selector = f'{{service_name="{service}"}}'
                self.assertIn(CPU, self.server.types())
                self.assertIn(service, self.server.label_values("service_name"))
                for label, value in (("process.executable.name", "shares"), ("process.pid", str(truth["pid"]))):
                    self.assertEqual(self.server.label_values(label.replace(".", dot), selector), {value}, label)
                self.check_stacks(selector, truth)
                self.check_labels(selector)

    def check_stacks(self, selector, truth):
        stacks, total = self.server.stacks(selector)
        # A window that is lost, or there twice, is a fifth. How exact totals are is e2e_shares' business.
        self.assert_share(total, truth["on_cpu_ns"], 1, "CPU time queried back", points=12)
        of_function = {name: sum(value for stack, value in stacks.items() if name in stack.split(";"))
                       for name in truth["functions"]}
        for name, expected in (("seventy", 0.7), ("thirty", 0.3)):
            self.assert_share(of_function[name], sum(of_function.values()), expected, name)
            under_main = sum(value for stack, value in stacks.items()
                             if name in stack.split(";") and "main" in stack.split(";")[:stack.split(";").index(name)])
            self.assert_share(under_main, of_function[name], 1, f"{name} called by main", points=1)
        self.assert_share(sum(of_function.values()), total, 1, "samples in the two functions")

    def check_labels(self, selector):
        """At most 30 that were sent; and none that makes a series of each thread."""
        added = {"__service_name__", "__profile_type__", "__type__", "__unit__", "__period_type__", "__period_unit__"}
        sets = self.server.ask("Series", accept="*/*; allow-utf8-labelnames=true", matchers=[selector])["labelsSet"]
        # One per profile type: CPU time and samples are two where a push has both.
        distinct = {frozenset((pair["name"], pair["value"]) for pair in labels["labels"] if pair["name"] not in added)
                    for labels in sets}
        self.assertEqual(len(distinct), 1, distinct)
        for labels in distinct:
            names = {name for name, _ in labels}
            self.assertLessEqual(len(names) + 1, 30, names)  # __delta__ was sent too
            self.assertLessEqual({"__name__", "service_name"}, names)
            self.assertFalse({"thread.id", "thread_id"} & names)


class StandInTest(Ways, agent.AgentTest):
    def setUp(self):
        super().setUp()
        self.stand_in = self.enterContext(StandIn())
        self.server = Pyroscope(self.stand_in.server.url)

    def requests(self, path):
        return [status for requested, status in self.stand_in.server.requests if requested == path]

    def test_passing_failures_lose_nothing(self):
        """Nothing that may be tried again is lost; how often it was tried can be seen."""
        faults = {
            "otlp": (OTLP_GRPC, [Fault(grpc_error(14, "busy"), path=OTLP_GRPC), Fault(reset=True, path=OTLP_GRPC),
                                 Fault(grpc_error(8, "later", retry_delay_seconds=0.2), path=OTLP_GRPC)]),
            "otlphttp": (OTLP_HTTP, [Fault(text(429, "rate"), path=OTLP_HTTP), Fault(reset=True, path=OTLP_HTTP),
                                     Fault(text(503, "busy", retry_after="1"), path=OTLP_HTTP)]),
            "pyroscope": (PUSH, [Fault(text(429, "rate"), path=PUSH), Fault(reset=True, path=PUSH),
                                 Fault(text(503, "busy", retry_after="1"), path=PUSH)])}
        for name, settings, _ in self.exporters():
            with self.subTest(name):
                path, planned = faults[name]
                self.stand_in.server.fail(*planned)
                service, truth = self.run_one(name, settings)
                self.assertEqual(self.stand_in.server.faults_left(), 0)
                self.check_stacks(f'{{service_name="{service}"}}', truth)
                self.assertGreaterEqual(len(self.requests(path)), len(planned) + 4)

    def test_goes_away_and_comes_back(self):
        for name, settings, _ in self.exporters():
            with self.subTest(name):
                service = "kiln-" + uuid.uuid4().hex[:12]
                self.stand_in.server.stop()
                running = self.start_agent({name: settings}, HZ)
                truth = self.run_load("shares", 3, OTEL_SERVICE_NAME=service)
                self.stand_in.server.start()
                running.wait_until(lambda: self.server.label_values("service_name", f'{{service_name="{service}"}}'),
                                   f"{name} delivers what it kept")
                running.stop()
                self.check_stacks(f'{{service_name="{service}"}}', truth)

    def test_tenant(self):
        stand_in = self.enterContext(StandIn(multitenant=True))
        self.server = Pyroscope(stand_in.server.url, tenant="team-a")
        for name, settings, _ in self.exporters():
            with self.subTest(name):
                tenant = {"tenant_id": "team-a"} if name == "pyroscope" else {"headers": {"X-Scope-OrgID": "team-a"}}
                service, truth = self.run_one(name, {**settings, **tenant})
                self.check_stacks(f'{{service_name="{service}"}}', truth)
                self.assertEqual(set(stand_in.tenants), {"team-a"})


class RealServerTest(Ways, agent.AgentTest):
    @classmethod
    def setUpClass(cls):
        running = contextlib.ExitStack()
        cls.addClassCleanup(running.close)
        cls.server = running.enter_context(pyroscope_client.real_server())


def load_tests(loader, standard_tests, pattern):
    """The real server is no skipped test where there is none: nobody can install it."""
    if not pyroscope_client.named():
        print("Pyroscope itself was not asked (KILN_PYROSCOPE is not set)")
        return loader.loadTestsFromTestCase(StandInTest)
    return standard_tests


if __name__ == "__main__":
    unittest.main()
