#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replay.py FILE.otlp URL: sends the profiles of a file of kiln as an OTLP exporter would. For trying a server by hand.

URL http://HOST:PORT is OTLP/HTTP, grpc://HOST:PORT is OTLP/gRPC without TLS. The functions below serve the tests, as a
sender that shares no code with kiln's.
"""
import gzip
import pathlib
import ssl
import sys
import time
import urllib.error
import urllib.request

import peers

peers.need_python()
import grpc  # noqa: E402
from opentelemetry.proto.collector.profiles.v1development import (  # noqa: E402
    profiles_service_pb2, profiles_service_pb2_grpc)

TIMEOUT_SECONDS = 60


def read(path, at=None):
    """The export request in a file; its profiles began at `at` (seconds of the epoch) if that is given."""
    request = profiles_service_pb2.ExportProfilesServiceRequest()
    request.ParseFromString(pathlib.Path(path).read_bytes())
    for resource in request.resource_profiles if at else ():
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                profile.time_unix_nano = int(at * 1e9)
    return request


def http(url, data, content_type, tls=None, **headers):
    """(status, headers, body) of a POST. `tls` is a Certificates to trust and be trusted by."""
    request = urllib.request.Request(url, data, {"Content-Type": content_type, **{
        name.replace("_", "-"): value for name, value in headers.items()}})
    context = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=tls.ca)
        context.load_cert_chain(tls.client, tls.client_key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def send_http(url, request, tls=None, compress=True, **headers):
    """Posts to URL/v1development/profiles; (status, body)."""
    data = request.SerializeToString()
    if compress:
        data, headers = gzip.compress(data), {"Content_Encoding": "gzip", **headers}
    status, _, body = http(f"{url}/v1development/profiles", data, "application/x-protobuf", tls, **headers)
    return status, body


def send_grpc(target, request, tls=None, compress=True, metadata=()):
    """(grpc.StatusCode, details) of an Export to HOST:PORT."""
    options = [("grpc.enable_http_proxy", 0)]
    if tls:
        credentials = grpc.ssl_channel_credentials(*(pathlib.Path(path).read_bytes()
                                                     for path in (tls.ca, tls.client_key, tls.client)))
        channel = grpc.secure_channel(target, credentials, options)
    else:
        channel = grpc.insecure_channel(target, options)
    with channel:
        stub = profiles_service_pb2_grpc.ProfilesServiceStub(channel)
        try:
            stub.Export(request, timeout=TIMEOUT_SECONDS, metadata=metadata,
                        compression=grpc.Compression.Gzip if compress else grpc.Compression.NoCompression)
            return grpc.StatusCode.OK, ""
        except grpc.RpcError as error:
            return error.code(), error.details()


def main(path, url):
    request = read(path, time.time() - 30)
    if url.startswith("grpc://"):
        print(*send_grpc(url.removeprefix("grpc://"), request))
    else:
        print(*send_http(url, request))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
