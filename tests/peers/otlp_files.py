# SPDX-License-Identifier: Apache-2.0
"""Reads files of OTLP profiles as the Collector's file exporter writes them (kiln's has the same format), and brings them
into a form in which equal content is equal, wherever its dictionary has it."""
import base64
import collections
import json
import pathlib
import struct

import peers

peers.need_python()
from google.protobuf import json_format  # noqa: E402
from opentelemetry.proto.profiles.v1development import profiles_pb2  # noqa: E402

HEX_IDS = ("profileId", "traceId", "spanId")


def read_proto(path):
    """[ProfilesData] of `format: proto`: each after its length, 4 bytes with the highest first."""
    content, at, messages = pathlib.Path(path).read_bytes(), 0, []
    while at < len(content):
        if len(content) < at + 4:
            raise ValueError(f"{path}: a length is cut")
        (size,) = struct.unpack_from(">I", content, at)
        at += 4
        if len(content) < at + size:
            raise ValueError(f"{path}: a message is cut")
        messages.append(profiles_pb2.ProfilesData.FromString(content[at:at + size]))
        at += size
    return messages


def read_json(path):
    """[ProfilesData] of `format: json`: one a line, in OTLP's JSON, where ids are in hexadecimal."""
    return [parse_json(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines() if line]


def parse_json(text):
    def base64_ids(node):
        if isinstance(node, dict):
            return {key: base64.b64encode(bytes.fromhex(value)).decode() if key in HEX_IDS else base64_ids(value)
                    for key, value in node.items()}
        return [base64_ids(item) for item in node] if isinstance(node, list) else node

    return json_format.ParseDict(base64_ids(json.loads(text)), profiles_pb2.ProfilesData(), ignore_unknown_fields=True)


class Resolver:
    """One message with every reference into the dictionary replaced by what it stands for."""

    def __init__(self, data):
        self.data, self.d = data, data.dictionary

    def text(self, index):
        return self.d.string_table[index]

    def value(self, value):
        kind = value.WhichOneof("value")
        if kind == "string_value_strindex":
            return "string_value", self.text(value.string_value_strindex)
        if kind == "array_value":
            return kind, tuple(self.value(item) for item in value.array_value.values)
        if kind == "kvlist_value":
            return kind, self.attributes(value.kvlist_value.values)
        return kind, getattr(value, kind) if kind else None

    def attributes(self, attributes):
        return tuple(sorted((a.key or self.text(a.key_strindex), self.value(a.value)) for a in attributes))

    def table(self, indices):
        rows = [self.d.attribute_table[index] for index in indices]
        return tuple(sorted((self.text(a.key_strindex), self.text(a.unit_strindex), self.value(a.value)) for a in rows))

    def kind(self, kind):
        return self.text(kind.type_strindex), self.text(kind.unit_strindex)

    def location(self, index):
        location = self.d.location_table[index]
        m = self.d.mapping_table[location.mapping_index]
        mapping = (m.memory_start, m.memory_limit, m.file_offset, self.text(m.filename_strindex),
                   self.table(m.attribute_indices))
        functions = [(self.d.function_table[line.function_index], line) for line in location.lines]
        lines = tuple((self.text(f.name_strindex), self.text(f.system_name_strindex), self.text(f.filename_strindex),
                       f.start_line, line.line, line.column) for f, line in functions)
        return mapping, location.address, lines, self.table(location.attribute_indices)

    def sample(self, sample):
        stack = self.d.stack_table[sample.stack_index].location_indices
        link = self.d.link_table[sample.link_index]
        return (tuple(map(self.location, stack)), self.table(sample.attribute_indices), link.trace_id, link.span_id,
                tuple(sample.values), tuple(sample.timestamps_unix_nano))

    def profiles(self):
        for resource in self.data.resource_profiles:
            who = self.attributes(resource.resource.attributes), resource.schema_url
            for scope in resource.scope_profiles:
                what = (scope.scope.name, scope.scope.version, self.attributes(scope.scope.attributes), scope.schema_url)
                for p in scope.profiles:
                    yield (who, what, self.kind(p.sample_type), self.kind(p.period_type), p.period, p.time_unix_nano,
                           p.duration_nano, p.profile_id, self.table(p.attribute_indices),
                           tuple(sorted(map(self.sample, p.samples))))


def content(messages):
    """A multiset of all profiles in full. Profiles without a sample are left out: the Collector's receiver acknowledges
    requests that have none, and drops them."""
    return collections.Counter(profile for message in messages for profile in Resolver(message).profiles() if profile[-1])


def difference(ours, theirs):
    """"" if both say the same, else what differs, shortly."""
    ours, theirs = content(ours), content(theirs)
    if ours == theirs:
        return ""
    missing, extra = ours - theirs, theirs - ours
    return (f"{ours.total()} and {theirs.total()} profiles; {missing.total()} only in the first, {extra.total()} only in "
            f"the second, as {[str(profile)[:300] for profile in [*missing, *extra][:2]]}")
