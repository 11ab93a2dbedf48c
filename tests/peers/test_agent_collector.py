# SPDX-License-Identifier: Apache-2.0
"""`kiln agent` sends to real Collectors by gRPC and HTTP, plain, with TLS, with client certificates and with a token: what
each of them wrote is what kiln's own file exporter wrote in the same run, and keeps the rules of the specification.
KILN_PROFCHECK=PATH: profcheck of open-telemetry/sig-profiling looks at it too."""
import os
import subprocess
import tempfile
import unittest

import peers

peers.need_python()
import agent  # noqa: E402
import certificates  # noqa: E402
import check_profiles  # noqa: E402
import collector  # noqa: E402
import otlp_files  # noqa: E402

collector.program()  # here, so that the whole module is skipped where it can't be had


class AgentCollectorTest(agent.AgentTest):
    @classmethod
    def setUpClass(cls):
        cls.certificates = certificates.make(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="kiln-certificates-")))

    def exporters_to(self, peer):
        """otlp and otlphttp with what that Collector asks for."""
        client = {"retry_on_failure": agent.RETRY}
        if peer.security != "plain":
            client["tls"] = {"ca_file": self.certificates.ca}
        if peer.security == "mtls":
            client["tls"].update(cert_file=self.certificates.client, key_file=self.certificates.client_key,
                                 min_version="1.3")
        if peer.security == "bearer":
            client["auth"] = {"authenticator": "bearertokenauth"}
        insecure = {"tls": {"insecure": True}} if peer.security == "plain" else {}
        return {f"otlp/{peer.security}": {"endpoint": peer.grpc_endpoint, **insecure, **client},
                f"otlphttp/{peer.security}": {"endpoint": peer.http_endpoint, **client}}

    def run_agent(self, exporters, config):
        """Runs it while a load runs; what the load said of itself."""
        running = self.start_agent(exporters, **config)
        truth = self.run_load("shares", 3, OTEL_SERVICE_NAME="shares-of-the-test")
        running.stop()
        return truth

    def assert_valid(self, messages):
        for message in messages:
            self.assertEqual(check_profiles.check(message, pyroscope=True), [])
        if profcheck := os.environ.get("KILN_PROFCHECK"):
            for number, message in enumerate(messages):
                path = self.folder / f"{number}.otlp"
                path.write_bytes(message.SerializeToString())
                result = subprocess.run([profcheck, "-check-dupes", "-check-orphans", path], capture_output=True,
                                        text=True, check=False)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_what_arrives_is_what_was_sent(self):
        running = [self.enterContext(collector.running(self.folder, security, self.certificates))
                   for security in ("plain", "tls", "mtls", "bearer")]
        sent = self.folder / "sent.proto"
        exporters = {"file": {"path": str(sent), "format": "proto"}}
        for peer in running:
            exporters.update(self.exporters_to(peer))
        truth = self.run_agent(exporters, {"extensions": {"bearertokenauth": {"token": collector.TOKEN}}})
        ours = otlp_files.read_proto(sent)
        self.assertGreaterEqual(len(ours), 3, "one message for each window of a second")
        self.assert_valid(ours)
        self.check_load(ours, truth)
        for peer in running:
            peer.stop()
            for way, path in peer.outputs.items():
                with self.subTest(f"{peer.security} {way}"):
                    theirs = otlp_files.read_proto(path)
                    self.assertEqual(otlp_files.difference(ours, theirs), "")
                    for message in theirs:
                        self.assertEqual(check_profiles.check(message, references=True), [])

    def check_load(self, messages, truth):
        """The load is among it, under its names, with its CPU time: that is no comparison of nothing with nothing."""
        samples = 0
        for message in messages:
            for resource in message.resource_profiles:
                attributes = agent.attributes(resource)
                if attributes.get("process.pid") == truth["pid"]:
                    self.assertEqual(attributes["service.name"], "shares-of-the-test")
                    self.assertEqual(attributes["process.executable.name"], "shares")
                    samples += sum(value for scope in resource.scope_profiles for profile in scope.profiles
                                   for sample in profile.samples for value in sample.values)
        self.assert_share(samples, truth["on_cpu_ns"] * 199 / 1e9, 1, "samples of what the CPU time asks for", points=5)

    def test_json_lines_say_the_same(self):
        paths = {form: self.folder / f"sent.{form}" for form in ("json", "proto")}
        self.run_agent({f"file/{form}": {"path": str(path), "format": form} for form, path in paths.items()}, {})
        ours = otlp_files.read_proto(paths["proto"])
        self.assertEqual(otlp_files.difference(ours, otlp_files.read_json(paths["json"])), "")
        self.assertGreaterEqual(len(ours), 3)

    def test_wrong_token_and_unknown_certificate_deliver_nothing(self):
        """And the log says which exporter it is and why."""
        bearer, mtls = (self.enterContext(collector.running(self.folder, security, self.certificates))
                        for security in ("bearer", "mtls"))
        exporters = {**self.exporters_to(bearer), **self.exporters_to(mtls)}
        for name in ("otlp/mtls", "otlphttp/mtls"):
            exporters[name]["tls"].update(cert_file=self.certificates.stranger, key_file=self.certificates.stranger_key)
            exporters[name]["retry_on_failure"] = {"enabled": False}
        running = self.start_agent(exporters, extensions={"bearertokenauth": {"token": "wrong"}})
        self.run_load("shares", 2)
        running.stop()
        for name in exporters:
            self.assertIn(name, running.log())
        for peer in (bearer, mtls):
            peer.stop()
            for path in peer.outputs.values():
                self.assertEqual(otlp_files.read_proto(path), [])


if __name__ == "__main__":
    unittest.main()
