#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pyroscope_stand_in.py [--port PORT]: a stand-in for a Pyroscope server on 127.0.0.1, that answers as Pyroscope 2.2 does.

In:      OTLP/HTTP (/v1development/profiles), OTLP/gRPC, push.v1.PusherService/Push (Connect: protobuf, JSON; gRPC)
Out:     querier.v1.QuerierService ProfileTypes, LabelNames, LabelValues, Series, SelectMergeStacktraces,
         SelectMergeProfile (Connect JSON); /ready
Control: POST /stand-in/fail with a JSON list of {"status", "body", "headers", "grpc_status", "retry_delay", "reset",
         "delay", "after", "path"} puts failures before the next requests; tests in Python call stand_in.server.fail.
"""
import argparse
import dataclasses
import json
import signal
import threading

import peers

peers.need_python()
from google.protobuf import json_format  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2  # noqa: E402

import pyroscope_ingest  # noqa: E402
import pyroscope_otlp  # noqa: E402
from http_server import Fault, Response, Server, grpc_error, grpc_response, gunzip, text  # noqa: E402
from pyroscope_otlp import Refused, pb  # noqa: E402
from pyroscope_store import Store  # noqa: E402

OTLP_GRPC = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
OTLP_HTTP = "/v1development/profiles"
PUSH = "/push.v1.PusherService/Push"
QUERIER = "/querier.v1.QuerierService/"
GRPC_CODES = {"unknown": 2, "invalid_argument": 3, "resource_exhausted": 8, "unimplemented": 12, "internal": 13,
              "unauthenticated": 16}
CONNECT_STATUS = {"unknown": 500, "invalid_argument": 400, "resource_exhausted": 429, "unimplemented": 404,
                  "internal": 500, "unauthenticated": 401}
GRPC_MESSAGE_BYTES = 100 << 20


class StandIn:
    """A running stand-in; `with StandIn() as p:` … p.server.url. Without `multitenant` all is of one tenant."""

    def __init__(self, limits=None, multitenant=False, tls=None, port=0, now=None):
        self.limits = limits or pyroscope_ingest.Limits()
        self.multitenant = multitenant
        self.options = {"now": now} if now else {}
        self.tenants = {}
        self.server = Server(self.handle, tls)
        self.server.port = port

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def tenant(self, request):
        """What is stored for who asks."""
        name = request.headers["x-scope-orgid"] if self.multitenant else "anonymous"
        if name not in self.tenants:
            self.tenants[name] = pyroscope_ingest.Ingest(Store(), self.limits, **self.options)
        return self.tenants[name]

    def handle(self, request):
        if request.path == "/ready":
            return text(200, "ready")
        if request.path == "/stand-in/fail":
            self.server.fail(*(fault_of(**fault) for fault in json.loads(request.body)))
            return Response()
        if self.multitenant and not request.headers.get("x-scope-orgid"):
            return connect_error("unauthenticated", "no org id")  # even to a gRPC call
        if request.path in (OTLP_HTTP, OTLP_GRPC):
            return self.otlp_grpc(request) if request.is_grpc() else self.otlp_http(request)
        if request.path == PUSH and request.is_grpc():
            return grpc(request, pb.PushRequest, lambda message: self.push(request, message))
        if request.path == PUSH:
            return connect(request, pb.PushRequest, lambda message: self.push(request, message))
        if request.path.startswith(QUERIER):
            return self.query(request, request.path.removeprefix(QUERIER))
        return text(404, "404 page not found")

    def otlp_http(self, request):
        kind, tenant = request.headers.get("content-type", ""), self.tenant(request)
        if request.method != "POST":
            return Response(405)
        if kind not in ("application/json", "application/x-protobuf", "application/protobuf"):
            return text(415, f"Unsupported Content-Type: {kind}")
        too_large = text(413, f"profile payload size exceeds limit of {self.limits.body_bytes / 1e6:.0f} MB")
        body = request.body
        if len(body) > self.limits.body_bytes:
            return too_large
        if request.headers.get("content-encoding", "").lower() == "gzip":
            try:
                body = gunzip(body, self.limits.body_bytes)
            except OverflowError:
                return too_large
            except ValueError:
                return text(400, "Failed to read request body")
        message = profiles_service_pb2.ExportProfilesServiceRequest()
        if kind == "application/json":
            try:
                json_format.Parse(body, message)  # protojson: ids in base64, unknown keys are errors
            except json_format.ParseError:
                return text(400, "Failed to parse JSON request")
        else:
            try:
                message.ParseFromString(body)
            except DecodeError:
                return text(400, "Failed to parse protobuf request")
        try:
            tenant.push(pyroscope_otlp.convert(message))
        except Refused as error:
            # What is no validation is no client's fault in its eyes, a request that it can't convert neither.
            status = 429 if error.code == "resource_exhausted" else 400 if error.reason else 500
            return text(status, str(error))
        return Response(headers={"content-type": "application/x-protobuf"})

    def otlp_grpc(self, request):
        def export(message):
            self.tenant(request).push(pyroscope_otlp.convert(message))
            return profiles_service_pb2.ExportProfilesServiceResponse()

        return grpc(request, profiles_service_pb2.ExportProfilesServiceRequest, export)

    def push(self, request, message):
        self.tenant(request).push(pyroscope_ingest.series_of_push(message, self.limits))
        return pb.PushResponse()

    def query(self, request, method):
        def store():
            return self.tenant(request).store

        # "Accept: */*; allow-utf8-labelnames=true"
        utf8 = "allow-utf8-labelnames=true" in request.headers.get("accept", "")
        calls = {
            "ProfileTypes": (pb.ProfileTypesRequest, lambda q: store().profile_types(q.start, q.end)),
            "LabelNames": (pb.LabelNamesRequest, lambda q: store().label_names(q.start, q.end, q.matchers, utf8)),
            "LabelValues": (pb.LabelValuesRequest, lambda q: store().label_values(q.name, q.start, q.end, q.matchers)),
            "Series": (pb.SeriesRequest, lambda q: store().label_sets(
                q.label_names, q.start, q.end, q.matchers, utf8)),
            "SelectMergeStacktraces": (pb.SelectMergeRequest, lambda q: store().flame_graph(q)),
            "SelectMergeProfile": (pb.SelectMergeRequest, lambda q: store().merged_profile(q)),
        }
        if method not in calls:
            return text(404, "404 page not found")
        return connect(request, *calls[method])


def grpc(request, message_type, call):
    """A unary gRPC call."""
    if len(request.body) > GRPC_MESSAGE_BYTES:
        return grpc_error(8, f"grpc: received message larger than max ({len(request.body)} vs. {GRPC_MESSAGE_BYTES})")
    try:
        message = message_type.FromString(request.grpc_message())
    except (ValueError, OverflowError) as error:  # DecodeError is a ValueError
        return grpc_error(13, f"grpc: error unmarshalling request: {error}")
    try:
        return grpc_response(call(message).SerializeToString())
    except Refused as error:
        return grpc_error(GRPC_CODES[error.code], str(error))


def connect(request, message_type, call):
    """A unary Connect call over HTTP; errors are JSON."""
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if request.method != "POST":
        return Response(405, {"allow": "POST"})
    if kind not in ("application/json", "application/proto"):
        return Response(415, {"accept-post": "application/json, application/proto"})
    try:
        body = request.body
        if request.headers.get("content-encoding", "identity") == "gzip":
            body = gunzip(body)
        if kind == "application/json":
            message = json_format.Parse(body or b"{}", message_type(), ignore_unknown_fields=True)
        else:
            message = message_type.FromString(body)
    except (ValueError, OverflowError, json_format.ParseError) as error:
        return connect_error("invalid_argument", f"unmarshal message: {error}")
    try:
        answer = call(message)
    except Refused as error:
        return connect_error(error.code, str(error))
    except ValueError as error:  # a selector
        return connect_error("invalid_argument", str(error))
    if kind == "application/json":
        return Response(headers={"content-type": "application/json"}, body=json_format.MessageToJson(answer).encode())
    return Response(headers={"content-type": "application/proto"}, body=answer.SerializeToString())


def connect_error(code, message):
    return Response(CONNECT_STATUS[code], {"content-type": "application/json"},
                    json.dumps({"code": code, "message": message}, separators=(",", ":")).encode())


def fault_of(status=None, body="", headers=None, grpc_status=None, retry_delay=None, reset=False, delay=0, after=False,
             path="/"):
    """A Fault from the words of the control request."""
    fault = Fault(reset=reset, delay_seconds=delay, after_handling=after, path=path)
    if grpc_status is not None:
        return dataclasses.replace(fault, response=grpc_error(grpc_status, body, retry_delay))
    if status is not None:
        return dataclasses.replace(fault, response=Response(status, headers or {}, body.encode()))
    return fault


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--multitenant", action="store_true")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with StandIn(multitenant=options.multitenant, port=options.port) as stand_in:
        print(stand_in.server.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
