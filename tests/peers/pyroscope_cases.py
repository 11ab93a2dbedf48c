# SPDX-License-Identifier: Apache-2.0
"""How Pyroscope answers: cases for the stand-in and for a real server alike."""
import gzip
import json
import time
import uuid

import peers

peers.need_python()
import grpc  # noqa: E402
from google.protobuf import json_format  # noqa: E402

import example  # noqa: E402
import replay  # noqa: E402
from pyroscope_client import CPU  # noqa: E402
from pyroscope_otlp import pb  # noqa: E402

PERIOD = example.PERIOD_NS
INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED


class Cases:
    """For a TestCase that sets `server`, a pyroscope_client.Pyroscope, and has usual_server(), one with the limits that
    Pyroscope has by default. Each test has services of its own, for a real server forgets nothing."""

    def setUp(self):
        self.service = "kiln-" + uuid.uuid4().hex[:12]
        self.request = example.request(time.time_ns() - 30 * 10**9, self.service)
        self.selector = f'{{service_name="{self.service}"}}'

    def send(self, request=None):
        return replay.send_http(self.server.url, request or self.request)

    def send_grpc(self, request=None, compress=True):
        return replay.send_grpc(self.server.url.removeprefix("http://"), request or self.request, compress=compress)

    def post(self, content_type, body, path="/v1development/profiles", **headers):
        status, _, body = replay.http(self.server.url + path, body, content_type, **headers)
        return status, body

    def assert_refused(self, request, status, code, *words):
        """By HTTP with `status`, by gRPC with `code`, and both say why."""
        got, body = self.send(request)
        self.assertEqual(got, status, body)
        got, details = self.send_grpc(request)
        self.assertEqual(got, code, details)
        for word in words:
            self.assertIn(word, body.decode())
            self.assertIn(word, details)

    # What comes in can be queried at once.

    EXPECTED = {"main;serve;add": 70 * PERIOD, "main;vfs_read": 20 * PERIOD, "main": 10 * PERIOD}

    def test_http(self):
        self.assertEqual(self.send(), (200, b""))
        self.assertEqual(self.server.stacks(self.selector), (self.EXPECTED, 100 * PERIOD))
        self.assertIn(CPU, self.server.types())
        self.assertLessEqual({self.service, self.service + "1"}, self.server.label_values("service_name"))

    def test_grpc_plain_and_gzip(self):
        for compress in (False, True):
            self.assertEqual(self.send_grpc(compress=compress), (grpc.StatusCode.OK, ""))
        self.assertEqual(self.server.stacks(self.selector)[1], 200 * PERIOD)

    def test_json_is_that_of_protobuf(self):
        body = json_format.MessageToDict(self.request)
        self.assertEqual(self.post("application/json", json.dumps(body).encode())[0], 200)
        self.assertEqual(self.server.stacks(self.selector)[1], 100 * PERIOD)
        self.assertEqual(self.post("application/json", json.dumps({**body, "extra": 1}).encode())[0], 400)

    def test_content_types_are_taken_literally(self):
        body = self.request.SerializeToString()
        self.assertEqual(self.post("application/protobuf", body)[0], 200)
        self.assertEqual(self.post("application/x-protobuf; charset=utf-8", body)[0], 415)
        self.assertEqual(self.post("text/plain", body)[0], 415)

    def test_bodies_that_are_none(self):
        self.assertEqual(self.post("application/x-protobuf", b"\x0a\xff")[0], 400)
        self.assertEqual(self.post("application/x-protobuf", b"not gzip", Content_Encoding="gzip")[0], 400)
        self.assertEqual(self.post("application/x-protobuf", gzip.compress(b"x" * 1000)[:-8], Content_Encoding="gzip")[0],
                         400)

    def test_unknown_path(self):
        self.assertEqual(self.post("application/x-protobuf", b"", "/v1/profiles")[0], 404)

    # Conversion.

    def test_what_can_not_be_converted(self):
        self.request.ClearField("dictionary")
        self.assert_refused(self.request, 500, INVALID, "missing profile metadata dictionary")
        self.setUp()
        self.request.ClearField("resource_profiles")
        self.assert_refused(self.request, 500, INVALID, "missing resource profiles")
        for break_it in (lambda r: setattr(example.profiles_of(r)[0].samples[0], "stack_index", 99),
                         lambda r: setattr(r.dictionary.function_table[1], "name_strindex", 99),
                         lambda r: example.profiles_of(r)[0].ClearField("sample_type"),
                         lambda r: example.profiles_of(r)[0].samples[0].ClearField("values")):
            self.setUp()
            break_it(self.request)
            self.assert_refused(self.request, 500, INVALID, "failed to convert otel profile")

    def test_unknown_attribute_index_loses_the_profile_without_a_word(self):
        example.profiles_of(self.request)[0].samples[0].attribute_indices.append(99)
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.server.label_values("service_name", self.selector), set())
        other = self.service + "1"
        self.assertEqual(self.server.label_values("service_name", f'{{service_name="{other}"}}'), {other})

    def test_types(self):
        for sample, period, expected in (
                (("samples", "count"), ("cpu", "nanoseconds"), CPU),
                (("cpu", "nanoseconds"), ("cpu", "nanoseconds"), "cpu:cpu:nanoseconds:cpu:nanoseconds"),
                (("alloc_space", "bytes"), ("space", "bytes"), "space:alloc_space:bytes:space:bytes"),
                (("off_cpu", "nanoseconds"), None, "off_cpu:off_cpu:nanoseconds::")):
            self.setUp()
            example.set_types(self.request, sample, period, period_value=3 if period else 0)
            self.assertEqual(self.send()[0], 200)
            self.assertEqual(self.server.label_values("__profile_type__", self.selector), {expected})
            factor = 3 if expected == CPU else 1
            self.assertEqual(self.server.stacks(self.selector, expected)[1], 100 * factor)

    def test_type_without_period_has_no_name(self):
        example.set_types(self.request, ("wall", "nanoseconds"))
        self.assert_refused(self.request, 400, INVALID, "invalid metric name")

    def test_type_with_a_dash(self):
        example.set_types(self.request, ("alloc-space", "bytes"), ("space", "bytes"), period_value=1)
        self.assert_refused(self.request, 400, INVALID, "sample type contains -")

    def test_several_values_of_a_sample(self):
        example.set_types(self.request, ("samples", "count"), ("cpu", "nanoseconds"), [1, 2], period_value=1)
        self.assert_refused(self.request, 500, INVALID, "sample values length mismatch")
        self.setUp()
        example.set_types(self.request, ("off_cpu", "nanoseconds"), None, [1, 2])
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.server.stacks(self.selector, "off_cpu:off_cpu:nanoseconds::")[1], 3 * 3)

    def test_timestamps_alone_count_one_each(self):
        profile = example.profiles_of(self.request)[0]
        for sample in profile.samples:
            sample.ClearField("values")
            sample.timestamps_unix_nano.extend([profile.time_unix_nano + i for i in range(4)])
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.server.stacks(self.selector)[1], 3 * 4 * PERIOD)

    # Labels.

    def test_resource_and_sample_attributes_are_labels(self):
        self.assertEqual(self.send()[0], 200)
        for name, values in (("process.pid", {"42"}), ("thread.name", {"worker"}), ("service.name", {self.service}),
                             ("__otel__", {"true"}), ("span_id", set())):
            self.assertEqual(self.server.label_values(name, self.selector), values, name)
        stacks, _ = self.server.stacks(f'{{service_name="{self.service}", "thread.name"="worker"}}')
        self.assertEqual(stacks, {"main;serve;add": 70 * PERIOD})

    def test_names_with_dots_are_told_only_to_who_asks(self):
        self.assertEqual(self.send()[0], 200)
        names = set(self.server.ask("LabelNames", matchers=[self.selector])["names"])
        self.assertIn("service_name", names)
        self.assertNotIn("process.pid", names)
        names = set(self.server.ask("LabelNames", accept="*/*; allow-utf8-labelnames=true",
                                    matchers=[self.selector])["names"])
        self.assertLessEqual({"process.pid", "thread.name", "service.name"}, names)
        self.assertNotIn("__delta__", names)
        status, _ = self.server.call("SelectMergeStacktraces", profileTypeID=CPU, labelSelector='{process.pid="42"}')
        self.assertEqual(status, 400)

    def test_references_are_not_followed(self):
        table = self.request.dictionary.string_table
        for resource in self.request.resource_profiles:
            table.append("region")
            attribute = resource.resource.attributes.add(key_strindex=len(table) - 1)
            attribute.value.string_value = "north"
            attribute = resource.resource.attributes.add(key="zone")
            attribute.value.string_value_strindex = 1
        # A label with an empty name; one without a value is none.
        self.assert_refused(self.request, 400, INVALID, "invalid label name")

    def test_service_name(self):
        for attributes, expected in (({"process.executable.name": "x" + self.service}, f"unknown_service:x{self.service}"),
                                     ({"service.name": "a" + self.service, "process.executable.name": "x"},
                                      "a" + self.service)):
            del self.request.resource_profiles[1:]
            resource = self.request.resource_profiles[0].resource
            resource.ClearField("attributes")
            for key, value in attributes.items():
                resource.attributes.add(key=key).value.string_value = value
            self.assertEqual(self.send()[0], 200)
            self.assertIn(expected, self.server.label_values("service_name"))

    def test_service_of_a_sample_wins(self):
        d, other = self.request.dictionary, self.service + "-other"
        d.string_table.extend(["service.name"])
        d.attribute_table.add(key_strindex=len(d.string_table) - 1).value.string_value = other
        example.profiles_of(self.request)[0].samples[0].attribute_indices.append(len(d.attribute_table) - 1)
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.server.stacks(f'{{service_name="{other}"}}')[1], 70 * PERIOD)
        self.assertEqual(self.server.stacks(self.selector)[1], 30 * PERIOD)

    def test_thirty_labels(self):
        resource = self.request.resource_profiles[0].resource
        del self.request.resource_profiles[1:]
        del example.profiles_of(self.request)[0].samples[0]  # the one with an attribute of its own
        # Its three, __delta__, __otel__, __name__ and service_name make seven.
        for i in range(23):
            resource.attributes.add(key=f"extra{i}").value.string_value = "x"
        self.assertEqual(self.send()[0], 200)
        resource.attributes.add(key="one.more").value.string_value = "x"
        self.assert_refused(self.request, 400, INVALID, "has 31 label names; limit 30")

    def test_long_labels(self):
        resource = self.request.resource_profiles[0].resource
        resource.attributes.add(key="process.command_line").value.string_value = "x" * 2048
        self.assertEqual(self.send()[0], 200)
        resource.attributes[-1].value.string_value += "x"
        self.assert_refused(self.request, 400, INVALID, "label value too long")
        resource.attributes[-1].value.string_value = "x"
        resource.attributes[-1].key = "k" * 1025
        self.assert_refused(self.request, 400, INVALID, "label name too long")

    def test_own_service_name_label_is_a_duplicate(self):
        self.request.resource_profiles[0].resource.attributes.add(key="service_name").value.string_value = "x"
        self.assert_refused(self.request, 400, INVALID, "duplicate label name")

    # Limits.

    def test_window(self):
        for age, status in ((3700, 400), (3500, 200), (-500, 200), (-700, 400)):
            self.setUp()
            for profile in example.profiles_of(self.request):
                profile.time_unix_nano = time.time_ns() - age * 10**9
            self.assertEqual(self.send()[0], status, age)
        self.assert_refused(self.request, 400, INVALID, "outside of ingestion window")

    def test_samples_of_a_profile(self):
        profile = example.profiles_of(self.request)[0]
        while len(profile.samples) < 16000:
            profile.samples.add(stack_index=1, values=[1])
        self.assertEqual(self.send()[0], 200)
        profile.samples.add(stack_index=1, values=[1])
        self.assert_refused(self.request, 400, INVALID, "actual: 16001, limit: 16000")

    def test_one_refused_series_does_not_stop_the_others(self):
        resource = self.request.resource_profiles[0].resource
        resource.attributes.add(key="long").value.string_value = "x" * 3000
        self.assertEqual(self.send()[0], 400)
        self.assertEqual(self.server.stacks(f'{{service_name="{self.service}1"}}')[1], 5 * PERIOD)

    def test_a_profile_above_the_burst_never_passes(self):
        """2 MiB by default, below the limit of a profile's size; and nobody says when to come back."""
        server = self.usual_server()
        d, size = self.request.dictionary, 3 << 20
        for number in range(size // 60_000):
            d.string_table.append(f"{number:060000}")
            d.function_table.add(name_strindex=len(d.string_table) - 1)
            d.location_table[1].lines.add(function_index=len(d.function_table) - 1, line=1)
        status, headers, body = replay.http(server.url + "/v1development/profiles", self.request.SerializeToString(),
                                            "application/x-protobuf")
        self.assertEqual((status, headers["Retry-After"]), (429, None), body)
        self.assertIn(b"push rate limit", body)
        self.assertEqual(replay.send_grpc(server.url.removeprefix("http://"), self.request)[0], EXHAUSTED)

    # What is left of a profile.

    def test_frames_without_lines_do_not_show(self):
        self.request.dictionary.location_table[2].ClearField("lines")
        self.assertEqual(self.send()[0], 200)
        stacks, total = self.server.stacks(self.selector)
        self.assertEqual(stacks, {"main": 80 * PERIOD, "main;vfs_read": 20 * PERIOD})
        self.assertEqual(total, 100 * PERIOD)
        profile = self.server.ask("SelectMergeProfile", profileTypeID=CPU, labelSelector=self.selector)
        addresses = {int(location.get("address", 0)) for location in profile["location"] if not location.get("line")}
        self.assertEqual(addresses, {0x2345})

    def test_zero_and_negative_samples_are_dropped(self):
        samples = example.profiles_of(self.request)[0].samples
        samples[0].values[0], samples[1].values[0] = 0, -1
        self.assertEqual(self.send()[0], 200)
        self.assertEqual(self.server.stacks(self.selector), ({"main": 10 * PERIOD}, 10 * PERIOD))

    def test_links_select_samples(self):
        self.assertEqual(self.send()[0], 200)
        expected = {"main;serve;add": 70 * PERIOD}, 70 * PERIOD
        self.assertEqual(self.server.stacks(self.selector, spanSelector=[example.SPAN_ID.hex()]), expected)
        self.assertEqual(self.server.stacks(self.selector, traceIdSelector=[example.TRACE_ID.hex()]), expected)

    # push.v1

    def pprof(self, text_labels=()):
        strings = ["", "inuse_space", "bytes", "space", "main", *(part for label in text_labels for part in label)]
        profile = pb.Profile(string_table=strings, time_nanos=time.time_ns() - 10**10, period=1)
        profile.sample_type.add(type=1, unit=2)
        profile.period_type.type, profile.period_type.unit = 3, 2
        profile.function.add(id=1, name=4)
        profile.location.add(id=1).line.add(function_id=1)
        sample = profile.sample.add(location_id=[1], value=[64])
        for i in range(len(text_labels)):
            sample.label.add(key=5 + 2 * i, str=6 + 2 * i)
        return profile

    def push(self, raw, **labels):
        request = pb.PushRequest()
        series = request.series.add()
        for name, value in {"service_name": self.service, "__name__": "memory", **labels}.items():
            series.labels.add(name=name, value=value)
        series.samples.add(raw_profile=raw)
        return request

    def test_push_names_types_freely(self):
        raw = self.pprof([("thread_name", "worker")]).SerializeToString()
        for content_type, body in (
                ("application/proto", self.push(gzip.compress(raw)).SerializeToString()),
                ("application/proto", self.push(raw).SerializeToString()),
                ("application/json", json_format.MessageToJson(self.push(raw)).encode())):
            self.assertEqual(self.post(content_type, body, "/push.v1.PusherService/Push")[0], 200)
        type_id = "memory:inuse_space:bytes:space:bytes"
        self.assertEqual(self.server.stacks(self.selector, type_id), ({"main": 3 * 64}, 3 * 64))
        self.assertEqual(self.server.label_values("thread_name", self.selector), {"worker"})

    def test_push_errors_are_connect_errors(self):
        for raw, labels, status, word in (
                (self.pprof().SerializeToString(), {"__name__": ""}, 400, "invalid metric name"),
                (self.pprof().SerializeToString(), {"long": "x" * 3000}, 400, "label value too long"),
                (gzip.compress(bytes(5 << 20)), {}, 400, "exceeds limit of 4.2 MB")):
            status_is, body = self.post("application/proto", self.push(raw, **labels).SerializeToString(),
                                        "/push.v1.PusherService/Push")
            self.assertEqual(status_is, status, body)
            error = json.loads(body)
            self.assertEqual(error["code"], "invalid_argument")
            self.assertIn(word, error["message"])
        self.assertEqual(self.post("application/proto", b"", "/push.v1.PusherService/Push")[0], 400)
        self.assertEqual(self.post("text/plain", b"", "/push.v1.PusherService/Push")[0], 415)

    def test_empty_answers(self):
        self.assertEqual(self.server.stacks(self.selector), ({}, 0))
        self.assertTrue(self.server.ready())
