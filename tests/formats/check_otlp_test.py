#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_otlp_test.py FOLDER: the checker finds each kind of fault, and the folder's OTLP files say what the folded say."""
import pathlib
import sys

import check_otlp
import peers
from opentelemetry.proto.profiles.v1development import profiles_pb2


def read(path):
    data = profiles_pb2.ProfilesData()
    data.ParseFromString(path.read_bytes())
    return data


def first(m):
    return m.resource_profiles[0].scope_profiles[0].profiles[0]


def text(m, value):
    m.dictionary.string_table.append(value)
    return len(m.dictionary.string_table) - 1


# (what the checker must say, how to break the example)
FAULTS = [
    ("stack_table index 999 is out of range", lambda m: setattr(first(m).samples[0], "stack_index", 999)),
    ("link_table index -1 is out of range", lambda m: setattr(first(m).samples[0], "link_index", -1)),
    ("attribute_table index 999", lambda m: first(m).samples[0].attribute_indices.append(999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.function_table[1], "name_strindex", 999)),
    ("mapping_table index 999", lambda m: setattr(m.dictionary.location_table[1], "mapping_index", 999)),
    ("function_table index 999", lambda m: setattr(m.dictionary.location_table[1].lines[0], "function_index", 999)),
    ("location_table index 999", lambda m: m.dictionary.stack_table[1].location_indices.append(999)),
    ("link_table: is empty", lambda m: m.dictionary.ClearField("link_table")),
    ("mapping_table: entry 0 is not the zero value",
     lambda m: setattr(m.dictionary.mapping_table[0], "memory_limit", 1)),
    ("string_table: entry 0 is not the zero value", lambda m: m.dictionary.string_table.__setitem__(0, "x")),
    ("duplicate of entry 1", lambda m: m.dictionary.function_table.append(m.dictionary.function_table[1])),
    ("duplicate of entry 1", lambda m: text(m, m.dictionary.string_table[1])),
    ("nothing refers to it", lambda m: text(m, "orphan")),
    ("nothing refers to it", lambda m: m.dictionary.stack_table.add().location_indices.extend([1, 1, 1])),
    ("stands twice", lambda m: first(m).samples[0].attribute_indices.append(first(m).samples[0].attribute_indices[0])),
    ("an attribute key stands twice",
     lambda m: m.resource_profiles[0].resource.attributes.append(m.resource_profiles[0].resource.attributes[0])),
    ("attribute key is not literal",
     lambda m: setattr(m.resource_profiles[0].resource.attributes[0], "key_strindex", 1)),
    ("memory_start is not below", lambda m: setattr(m.dictionary.mapping_table[1], "memory_limit", 1)),
    ("negative line", lambda m: setattr(m.dictionary.location_table[1].lines[0], "line", -1)),
    ("has none of its three names", lambda m: m.dictionary.function_table[1].Clear()),
    ("trace_id is not 16 bytes", lambda m: m.dictionary.link_table.add(trace_id=b"123", span_id=b"12345678")),
    ("no sample_type", lambda m: first(m).ClearField("sample_type")),
    ("period and period_type", lambda m: setattr(first(m), "period", 0)),
    ("profile_id is not 16 bytes", lambda m: setattr(first(m), "profile_id", b"1")),
    ("profile_id was used before",
     lambda m: setattr(first(m), "profile_id", m.resource_profiles[1].scope_profiles[0].profiles[0].profile_id)),
    ("is no time of this age", lambda m: setattr(first(m), "time_unix_nano", 1700000000)),
    ("duration_nano 0", lambda m: setattr(first(m), "duration_nano", 0)),
    ("2 values without timestamps", lambda m: first(m).samples[0].values.append(1)),
    ("0 values without timestamps", lambda m: first(m).samples[0].ClearField("values")),
    ("is outside the profile", lambda m: first(m).samples[0].timestamps_unix_nano.append(1)),
    ("different shapes",
     lambda m: first(m).samples[0].timestamps_unix_nano.append(first(m).time_unix_nano)),
    ("same identity", lambda m: first(m).samples.append(first(m).samples[0])),
    ("same resource", lambda m: m.resource_profiles.append(m.resource_profiles[0])),
    ("has no profiles", lambda m: m.resource_profiles[0].scope_profiles[0].ClearField("profiles")),
    ("no schema_url", lambda m: m.resource_profiles[0].ClearField("schema_url")),
]


def check_faults(folder):
    for expected, make in FAULTS:
        message = read(folder / "example.otlp")
        make(message)
        faults = check_otlp.check(message)
        assert any(expected in fault for fault in faults), f"{expected!r} is not among {faults}"
    content = (folder / "example.otlp").read_bytes()
    assert check_otlp.check_bytes(content.replace(b"vfs_read", b"vfs\xffread")), "bad UTF-8 goes unnoticed"
    assert check_otlp.check_bytes(content[:-3]), "a cut file goes unnoticed"


def folded(m):
    """{stack: count} as kiln's folded format has it, made from OTLP."""
    d, counts = m.dictionary, {}
    for resource in m.resource_profiles:
        attributes = {a.key: a.value for a in resource.resource.attributes}
        for scope in resource.scope_profiles:
            for sample in scope.profiles[0].samples:
                frames = [attributes["process.executable.name"].string_value]
                for index in reversed(d.stack_table[sample.stack_index].location_indices):
                    frames.extend(frames_of(d, d.location_table[index]))
                key = ";".join("".join(":" if c == ";" else " " if c < " " else c for c in f) for f in frames)
                counts[key] = counts.get(key, 0) + sum(sample.values)
    return counts


def frames_of(d, location):
    kinds = {d.string_table[d.attribute_table[i].key_strindex]: d.attribute_table[i].value.string_value
             for i in location.attribute_indices}
    suffix = "_[k]" if kinds.get("profile.frame.type") == "kernel" else ""
    names = [d.string_table[d.function_table[line.function_index].name_strindex] for line in location.lines]
    if not names:
        file = d.string_table[d.mapping_table[location.mapping_index].filename_strindex].rsplit("/", 1)[-1].strip("[]")
        names = [f"[{file}+0x{location.address:x}]" if file else f"[0x{location.address:x}]"]
    return [name + suffix for name in reversed(names)]


def main():
    folder = pathlib.Path(sys.argv[1])
    check_faults(folder)
    for stem in ("example", "synthetic"):
        ours, theirs = folded(read(folder / f"{stem}.otlp")), peers.folded_counts(folder / f"{stem}.folded")
        assert ours == theirs, f"{stem}: {len(ours)} stacks from OTLP, {len(theirs)} folded; they differ in " \
                               f"{sorted(set(ours.items()) ^ set(theirs.items()))[:4]}"
    print("the checker finds every fault; OTLP and folded files agree")


if __name__ == "__main__":
    main()
