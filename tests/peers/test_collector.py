# SPDX-License-Identifier: Apache-2.0
"""What a sender that shares no code with kiln's sends to the Collector, by each way, stands in its file. So a test of
`kiln agent` against the same Collector says something about kiln only."""
import pathlib
import shutil
import socket
import ssl
import tempfile
import unittest
import urllib.parse

import peers

peers.need_python()
import grpc  # noqa: E402

import certificates  # noqa: E402
import check_profiles  # noqa: E402
import collector  # noqa: E402
import example  # noqa: E402
import otlp_files  # noqa: E402
import replay  # noqa: E402

collector.program()  # here, so that the whole module is skipped where it can't be had


class CollectorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = certificates.make(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="kiln-certificates-")))

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kiln-collector-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, security):
        return self.enterContext(collector.running(self.folder, security, self.certificates))

    def check(self, security, token=""):
        peer, first, second = self.start(security), example.request(), example.request(service="other")
        tls = None if security == "plain" else self.certificates
        metadata = [("authorization", f"Bearer {token}")] if token else []
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.assertEqual(replay.send_grpc(peer.grpc_endpoint, first, tls, metadata=metadata), (grpc.StatusCode.OK, ""))
        status, body = replay.send_http(peer.http_endpoint, second, tls, **headers)
        self.assertEqual(status, 200, body)
        return peer, [first, second]

    def check_received(self, peer, sent):
        peer.stop()
        for message, output in zip(sent, (peer.outputs["grpc"], peer.outputs["http"])):
            (received,) = otlp_files.read_proto(output)
            self.assertEqual(otlp_files.difference([message], [received]), "")
            self.assertEqual(check_profiles.check(received, references=True), [])

    def test_plain(self):
        self.check_received(*self.check("plain"))

    def test_tls(self):
        self.check_received(*self.check("tls"))

    def test_mtls(self):
        peer, sent = self.check("mtls")
        stranger = type("Stranger", (), {"ca": self.certificates.ca, "client": self.certificates.stranger,
                                         "client_key": self.certificates.stranger_key})
        self.assertEqual(replay.send_grpc(peer.grpc_endpoint, sent[0], stranger)[0], grpc.StatusCode.UNAVAILABLE)
        with self.assertRaises(OSError):
            replay.send_http(peer.http_endpoint, sent[0], stranger)
        with self.assertRaises(ssl.SSLError):
            self.handshake(peer.http_endpoint, ssl.TLSVersion.TLSv1_2)
        self.assertEqual(self.handshake(peer.http_endpoint, ssl.TLSVersion.TLSv1_3), "TLSv1.3")
        self.check_received(peer, sent)

    def handshake(self, url, highest):
        """The version of TLS that it ends with."""
        context = ssl.create_default_context(cafile=self.certificates.ca)
        context.load_cert_chain(self.certificates.client, self.certificates.client_key)
        context.maximum_version = highest
        address = urllib.parse.urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as plain:
            with context.wrap_socket(plain, server_hostname=address.hostname) as secured:
                return secured.version()

    def test_bearer(self):
        peer, sent = self.check("bearer", collector.TOKEN)
        for token in ("", "Bearer wrong"):
            metadata = [("authorization", token)] if token else []
            headers = {"Authorization": token} if token else {}
            self.assertEqual(replay.send_grpc(peer.grpc_endpoint, sent[0], self.certificates, metadata=metadata)[0],
                             grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(replay.send_http(peer.http_endpoint, sent[0], self.certificates, **headers)[0], 401)
        self.check_received(peer, sent)

    def test_the_comparison_sees_differences(self):
        one, other = example.request(), example.request()
        self.assertEqual(otlp_files.difference([one], [other]), "")
        example.profiles_of(other)[0].samples[0].values[0] += 1
        self.assertIn("1 only in the first", otlp_files.difference([one], [other]))
        self.assertIn("2 only in the first", otlp_files.difference([one], []))

    def test_files_that_are_cut(self):
        path = self.folder / "cut"
        for content in (b"\0\0", b"\0\0\0\x05abc"):
            path.write_bytes(content)
            with self.assertRaises(ValueError):
                otlp_files.read_proto(path)

    def test_json_lines(self):
        line = ('{"resourceProfiles":[{"scopeProfiles":[{"profiles":[{"profileId":"000102030405060708090a0b0c0d0e0f",'
                '"timeUnixNano":"5","samples":[{"values":["7"]}],"later":1}]}]}],"dictionary":{"linkTable":[{},'
                '{"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"0001020304050607"}]}}')
        path = self.folder / "lines"
        path.write_text(line + "\n" + line + "\n", encoding="utf-8")
        first, _ = otlp_files.read_json(path)
        self.assertEqual(example.profiles_of(first)[0].profile_id, bytes(range(16)))
        self.assertEqual(first.dictionary.link_table[1].span_id, bytes(range(8)))


if __name__ == "__main__":
    unittest.main()
