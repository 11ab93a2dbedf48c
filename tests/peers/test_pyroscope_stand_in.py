# SPDX-License-Identifier: Apache-2.0
"""The stand-in for Pyroscope keeps Pyroscope's rules. KILN_PYROSCOPE=URL or BINARY: a real server is asked the same."""
import contextlib
import gzip
import json
import unittest

import peers

peers.need_python()
import grpc  # noqa: E402

import pyroscope_client  # noqa: E402
import pyroscope_ingest  # noqa: E402
import replay  # noqa: E402
from http_server import Fault, grpc_error, text  # noqa: E402
from pyroscope_cases import EXHAUSTED, INVALID, PERIOD, Cases  # noqa: E402
from pyroscope_stand_in import StandIn  # noqa: E402


class StandInTest(Cases, unittest.TestCase):
    def setUp(self):
        super().setUp()
        limits = pyroscope_ingest.Limits(rate_bytes=1e12, burst_bytes=1e12)
        self.stand_in = self.enterContext(StandIn(limits))
        self.server = pyroscope_client.Pyroscope(self.stand_in.server.url)

    def usual_server(self):
        return self.enter()[1]

    def enter(self, **options):
        stand_in = self.enterContext(StandIn(**options))
        return stand_in, pyroscope_client.Pyroscope(stand_in.server.url)

    def test_too_large_bodies(self):
        _, self.server = self.enter(limits=pyroscope_ingest.Limits(body_bytes=500))
        body = self.request.SerializeToString()
        self.assertEqual(self.post("application/x-protobuf", body)[0], 413)
        self.assertEqual(self.post("application/x-protobuf", gzip.compress(bytes(2000)), Content_Encoding="gzip")[0], 413)

    def test_size_of_a_profile(self):
        stand_in, self.server = self.enter(limits=pyroscope_ingest.Limits(profile_bytes=100))
        self.assert_refused(self.request, 400, INVALID, "max_profile_size_byte")
        self.assertEqual(stand_in.tenants["anonymous"].discarded, {"profile_size_limit": 4})

    def test_tenants(self):
        stand_in, self.server = self.enter(multitenant=True)
        self.assertEqual(self.send(), (401, b'{"code":"unauthenticated","message":"no org id"}'))
        # No gRPC status: HTTP's 401, which clients make that of.
        self.assertEqual(self.send_grpc(), (grpc.StatusCode.UNAUTHENTICATED, "Received http2 header with status: 401"))
        self.assertEqual(replay.send_http(self.server.url, self.request, X_Scope_OrgID="a")[0], 200)
        for tenant, names in (("a", {self.service, self.service + "1"}), ("b", set())):
            server = pyroscope_client.Pyroscope(stand_in.server.url, tenant)
            self.assertEqual(server.label_values("service_name"), names)

    def test_failures_on_command(self):
        fail = self.stand_in.server.fail
        fail(Fault(text(503, "busy", retry_after="7")))
        status, headers, _ = replay.http(self.server.url + "/v1development/profiles", self.request.SerializeToString(),
                                         "application/x-protobuf")
        self.assertEqual((status, headers["Retry-After"]), (503, "7"))
        fail(Fault(grpc_error(8, "later", retry_delay_seconds=1.5)))
        self.assertEqual(self.send_grpc(), (EXHAUSTED, "later"))
        fail(Fault(reset=True))
        with self.assertRaises(OSError):
            self.send()
        fail(Fault(reset=True))
        self.assertEqual(self.send_grpc()[0], grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.server.stacks(self.selector)[1], 0)
        fail(Fault(reset=True, after_handling=True, path="/v1development"))
        with self.assertRaises(OSError):
            self.send()
        self.assertEqual(self.server.stacks(self.selector)[1], 100 * PERIOD)
        fail(Fault(delay_seconds=0.01))
        self.assertEqual(self.send()[0], 200)
        body = [{"status": 502, "body": "no", "path": "/v1development"}, {"reset": True, "path": "/v1development"}]
        self.assertEqual(self.post("application/json", json.dumps(body).encode(), "/stand-in/fail")[0], 200)
        self.assertEqual(self.send(), (502, b"no"))
        with self.assertRaises(OSError):
            self.send()
        self.assertEqual(self.stand_in.server.faults_left(), 0)

    def test_goes_away_and_comes_back(self):
        server = self.stand_in.server
        server.stop()
        with self.assertRaises(OSError):
            self.send()
        server.start()
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.send_grpc()[0], grpc.StatusCode.OK)
        self.assertEqual([status for _, status in server.requests], [200, 200])


class RealServerTest(Cases, unittest.TestCase):
    """The same of the real one: if it differs, the stand-in is wrong."""

    @classmethod
    def setUpClass(cls):
        running = contextlib.ExitStack()
        cls.addClassCleanup(running.close)
        cls.server = running.enter_context(pyroscope_client.real_server())

    def usual_server(self):
        return self.server


def load_tests(loader, standard_tests, pattern):
    """The real server is no skipped test where there is none: nobody can install it."""
    if not pyroscope_client.named():
        print("Pyroscope itself was not asked (KILN_PYROSCOPE is not set)")
        return loader.loadTestsFromTestCase(StandInTest)
    return standard_tests


if __name__ == "__main__":
    unittest.main()
