#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""otlp_json_peer.py OTLP_JSON WRITE_SAMPLES: kiln's table of OTLP's messages agrees with the descriptors of the package
opentelemetry-proto, and its OTLP/JSON with what that package reads, for kiln's own files and for random messages of all
signals. The rules of OTLP/JSON are restated here: Python's json_format follows proto3's, which has other ids."""
import base64
import json
import math
import os
import pathlib
import random
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import peers  # noqa: E402

peers.need_python()
from google.protobuf.descriptor import FieldDescriptor as F  # noqa: E402
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: E402
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: E402
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2  # noqa: E402
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: E402

REQUESTS = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "profiles": profiles_service_pb2.ExportProfilesServiceRequest,
}
KINDS = {F.TYPE_STRING: "string", F.TYPE_BYTES: "bytes", F.TYPE_BOOL: "bool", F.TYPE_INT32: "int32",
         F.TYPE_INT64: "int64", F.TYPE_UINT32: "uint32", F.TYPE_UINT64: "uint64", F.TYPE_SINT32: "sint32",
         F.TYPE_ENUM: "enum", F.TYPE_FIXED32: "fixed32", F.TYPE_FIXED64: "fixed64", F.TYPE_SFIXED64: "sfixed64",
         F.TYPE_DOUBLE: "double", F.TYPE_MESSAGE: "message"}
IDS = {"trace_id", "span_id", "parent_span_id", "profile_id"}
WIDE = {"int64", "uint64", "fixed64", "sfixed64"}


def repeated(field):
    """Newer versions of protobuf have no label any more."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == F.LABEL_REPEATED


def presence(field):
    if repeated(field):
        return "repeated"
    if field.containing_oneof is None:
        return "implicit"
    return "explicit" if field.containing_oneof.name.startswith("_") else "oneof"


def local_name(descriptor):
    return descriptor.full_name[len(descriptor.file.package) + 1:]


def schema_lines(descriptor, seen, lines):
    """The lines of otlp_json schema for this message and all that it refers to."""
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if not local_name(descriptor).startswith("Export"):
            lines.add(f"{descriptor.file.package} {local_name(descriptor)} {field.number} {field.name} "
                      f"{KINDS[field.type]} {presence(field)} "
                      f"{field.message_type.full_name if field.message_type else '-'}")
        if field.message_type:
            schema_lines(field.message_type, seen, lines)


def check_schema(program):
    expected, found = set(), set(peers.run(program, "schema").splitlines())
    seen = set()
    for request in REQUESTS.values():
        schema_lines(request.DESCRIPTOR, seen, expected)
    # The roots of files (TracesData …) have their requests' fields.
    found = {line for line in found if not line.split()[1] in ("TracesData", "MetricsData", "LogsData", "ProfilesData")}
    if found != expected:
        sys.exit("FAILED: the table differs:\n" + "\n".join(sorted(f"kiln  {line}" for line in found - expected)) + "\n" +
                 "\n".join(sorted(f"proto {line}" for line in expected - found)))
    print(f"schema: {len(expected)} fields of {len(seen)} messages agree")


def scalar(field, value):
    kind = KINDS[field.type]
    if kind == "bytes":
        return value.hex() if field.name in IDS else base64.b64encode(value).decode()
    if kind in WIDE:
        return str(value)
    if kind == "double" and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def expected_json(message):
    """The message by OTLP's rules."""
    out = {}
    for field, value in message.ListFields():
        convert = expected_json if field.message_type else lambda v, field=field: scalar(field, v)
        out[field.json_name] = [convert(v) for v in value] if repeated(field) else convert(value)
    return out


def random_scalar(rng, field):
    kind = KINDS[field.type]
    if kind == "string":
        return "".join(rng.choice('ab"\\\n\té😀\x01 ') for _ in range(rng.randrange(6)))
    if kind == "bytes":
        return rng.randbytes(rng.choice([0, 8, 16]))
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "double":
        return rng.choice([0.0, -0.0, 1.5, -1e300, 5e-324, 0.1, 123456789.0, math.inf, -math.inf, rng.random()])
    if kind == "enum":
        return rng.choice(field.enum_type.values).number
    bits = 64 if kind in WIDE else 32
    if kind.startswith(("u", "fixed")):
        return rng.choice([0, 1, 2**bits - 1, rng.getrandbits(bits)])
    return rng.choice([0, 1, -1, 2**(bits - 1) - 1, -2**(bits - 1), rng.getrandbits(bits - 1)])


def fill(rng, message, depth):
    for field in message.DESCRIPTOR.fields:
        if rng.random() < (0.4 if depth < 10 else 0.9):
            continue
        if repeated(field):
            target = getattr(message, field.name)
            for _ in range(rng.randrange(1, 4)):
                if field.message_type:
                    fill(rng, target.add(), depth + 1)
                else:
                    target.append(random_scalar(rng, field))
        elif field.message_type:
            getattr(message, field.name).SetInParent()
            fill(rng, getattr(message, field.name), depth + 1)
        else:
            setattr(message, field.name, random_scalar(rng, field))


def compare(program, signal, paths):
    lines = peers.run(program, signal, *paths).rstrip("\n").split("\n")
    for path, line in zip(paths, lines, strict=True):
        message = REQUESTS[signal]()
        message.ParseFromString(path.read_bytes())
        if json.loads(line) != expected_json(message):
            sys.exit(f"FAILED: {signal}: kiln's JSON differs\nkiln: {line[:2000]}\nproto: "
                     f"{json.dumps(expected_json(message))[:2000]}")
    print(f"{signal}: {len(paths)} messages agree")


def main():
    program, write_samples = sys.argv[1:]
    check_schema(program)
    with peers.samples(write_samples) as folder:
        compare(program, "profiles", sorted(folder.glob("*.otlp")))
    rng = random.Random(1)
    for signal, request in REQUESTS.items():
        with tempfile.TemporaryDirectory(prefix="kiln-formats-") as folder:
            paths = []
            for i in range(200):
                message = request()
                fill(rng, message, 0)
                paths.append(pathlib.Path(folder) / f"{i}.pb")
                paths[-1].write_bytes(message.SerializeToString())
            compare(program, signal, paths)


if __name__ == "__main__":
    main()
