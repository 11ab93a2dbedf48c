#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""otlp_folded.py FOLDER: the folder's OTLP files say what its folded files say."""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import peers  # noqa: E402

peers.need_python()
from opentelemetry.proto.profiles.v1development import profiles_pb2  # noqa: E402


def read(path):
    data = profiles_pb2.ProfilesData()
    data.ParseFromString(path.read_bytes())
    return data


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
    for stem in ("example", "synthetic"):
        ours, theirs = folded(read(folder / f"{stem}.otlp")), peers.folded_counts(folder / f"{stem}.folded")
        assert ours == theirs, f"{stem}: {len(ours)} stacks from OTLP, {len(theirs)} folded; they differ in " \
                               f"{sorted(set(ours.items()) ^ set(theirs.items()))[:4]}"
    print("OTLP and folded files agree")


if __name__ == "__main__":
    main()
