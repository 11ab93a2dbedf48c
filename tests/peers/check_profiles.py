#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_profiles.py [--references] [--pyroscope] FILE…: checks OTLP profiles (binary ProfilesData, or an export
request, which is the same) against the rules of the specification.

  --references   resource and scope attributes may be references into the string table, as in what the Collector's file
                 exporter writes; otherwise they must be literal, since Pyroscope and the Collector's receiver don't
                 resolve them
  --pyroscope    also what Pyroscope makes of them: names of types, labels, frames without a line, sizes

Exit status 0: no violation, 1: violations, which it prints, 77: the package opentelemetry-proto is not to be had.
Written from the specification alone; it shares no code and no .proto file with kiln. check(message) returns the list of
violations, so it serves as a module too.
"""
import argparse
import pathlib
import sys

import peers

peers.need_python()
from google.protobuf.message import DecodeError  # noqa: E402
from opentelemetry.proto.profiles.v1development import profiles_pb2  # noqa: E402

import pyroscope_rules  # noqa: E402

TABLES = ("mapping_table", "location_table", "function_table", "link_table", "string_table", "attribute_table",
          "stack_table")


class Checker:
    def __init__(self, data, references=False):
        self.data = data
        self.references = references
        self.dictionary = data.dictionary
        self.faults = []
        self.used = {table: set() for table in TABLES}

    def run(self):
        self.check_layout()
        for table in TABLES:
            self.check_table(table)
        self.check_entries()
        self.check_resources()
        self.check_orphans()
        return self.faults

    def fault(self, where, text):
        self.faults.append(f"{where}: {text}")

    def require(self, condition, where, text):
        if not condition:
            self.fault(where, text)

    def refer(self, table, index, where):
        """Notes a reference; True if it is inside its table."""
        size = len(getattr(self.dictionary, table))
        if not 0 <= index < size:
            self.fault(where, f"{table} index {index} is out of range ({size})")
            return False
        self.used[table].add(index)
        return True

    def check_layout(self):
        sample = profiles_pb2.Sample.DESCRIPTOR.fields_by_name
        if sample["values"].number != 4 or sample["attribute_indices"].number != 2:
            raise SystemExit("this opentelemetry-proto does not have the OTLP 1.10 layout")

    def check_table(self, table):
        entries = getattr(self.dictionary, table)
        if not entries:
            self.fault(table, "is empty; it needs its zero value at index 0")
            return
        zero = "" if table == "string_table" else type(entries[0])()
        if table == "attribute_table" and entries[0].HasField("value"):
            zero.value.SetInParent()  # a value without content, as the Collector writes it, is none
        self.require(entries[0] == zero, table, "entry 0 is not the zero value")
        seen = {}
        for i, entry in enumerate(entries):
            key = entry if table == "string_table" else self.identity(entry)
            self.require(key not in seen, f"{table}[{i}]", f"duplicate of entry {seen.get(key)}")
            seen.setdefault(key, i)

    @staticmethod
    def identity(entry):
        """Equal for entries that say the same: the order of attributes has no meaning."""
        if "attribute_indices" not in entry.DESCRIPTOR.fields_by_name:
            return entry.SerializeToString(deterministic=True)
        same = type(entry)()
        same.CopyFrom(entry)
        same.attribute_indices[:] = sorted(same.attribute_indices)
        return same.SerializeToString(deterministic=True)

    def text(self, index):
        """A string of the table; "" if there is none."""
        table = self.dictionary.string_table
        return table[index] if 0 <= index < len(table) else ""

    def check_attributes(self, indices, where):
        keys = set()
        for index in indices:
            if not self.refer("attribute_table", index, where):
                continue
            key = self.text(self.dictionary.attribute_table[index].key_strindex)
            self.require(key not in keys, where, f"attribute key {key} stands twice")
            keys.add(key)

    def check_value(self, value, where):
        """An AnyValue; references in it must be inside the string table."""
        kind = value.WhichOneof("value")
        if kind == "string_value_strindex":
            self.refer("string_table", value.string_value_strindex, where)
        elif kind == "array_value":
            for item in value.array_value.values:
                self.check_value(item, where)
        elif kind == "kvlist_value":
            for item in value.kvlist_value.values:
                self.check_value(item.value, where)

    def check_entries(self):
        """The inside of the dictionary. References from entry to entry count as use only if the entry is used itself;
        check_orphans sees to that, here they are only bounded."""
        kept, self.used = self.used, {table: set() for table in TABLES}
        d = self.dictionary
        for i, attribute in enumerate(d.attribute_table):
            where = f"attribute_table[{i}]"
            self.refer("string_table", attribute.key_strindex, where)
            self.refer("string_table", attribute.unit_strindex, where)
            self.check_value(attribute.value, where)
            self.require(i == 0 or attribute.key_strindex != 0, where, "has no key")
        for i, mapping in enumerate(d.mapping_table):
            where = f"mapping_table[{i}]"
            self.refer("string_table", mapping.filename_strindex, where)
            self.check_attributes(mapping.attribute_indices, where)
            self.require((mapping.memory_start, mapping.memory_limit) == (0, 0) or
                         mapping.memory_start < mapping.memory_limit, where, "memory_start is not below memory_limit")
        for i, function in enumerate(d.function_table):
            where = f"function_table[{i}]"
            names = (function.name_strindex, function.system_name_strindex, function.filename_strindex)
            for name in names:
                self.refer("string_table", name, where)
            self.require(i == 0 or any(names), where, "has none of its three names")
            self.require(function.start_line >= 0, where, "negative start_line")
        for i, location in enumerate(d.location_table):
            where = f"location_table[{i}]"
            self.refer("mapping_table", location.mapping_index, where)
            self.check_attributes(location.attribute_indices, where)
            self.check_address(location, where)
            for line in location.lines:
                self.refer("function_table", line.function_index, where)
                self.require(line.function_index != 0, where, "a line has no function")
                self.require(line.line >= 0 and line.column >= 0, where, "negative line or column")
        for i, stack in enumerate(d.stack_table):
            for index in stack.location_indices:
                self.refer("location_table", index, f"stack_table[{i}]")
        for i, link in enumerate(d.link_table[1:], 1):
            where = f"link_table[{i}]"
            self.require(len(link.trace_id) == 16 and any(link.trace_id), where, "trace_id is not 16 bytes or zero")
            self.require(len(link.span_id) == 8 and any(link.span_id), where, "span_id is not 8 bytes or zero")
        self.used = kept

    def check_address(self, location, where):
        """Both are ELF addresses of the file. A return address may be the first one behind the mapping."""
        if not 0 < location.mapping_index < len(self.dictionary.mapping_table):
            return
        mapping = self.dictionary.mapping_table[location.mapping_index]
        if mapping.memory_limit != 0 and location.address != 0:
            self.require(mapping.memory_start <= location.address <= mapping.memory_limit, where,
                         f"address {location.address:#x} is outside its mapping, "
                         f"{mapping.memory_start:#x} to {mapping.memory_limit:#x}")

    def check_resources(self):
        self.require(self.data.resource_profiles, "data", "has no resource_profiles")
        resources, ids = set(), set()
        for r, resource in enumerate(self.data.resource_profiles):
            where = f"resource_profiles[{r}]"
            self.check_literal(resource.resource.attributes, where)
            key = tuple(sorted(a.SerializeToString() for a in resource.resource.attributes))
            self.require(key not in resources, where, "same resource as an earlier one")
            resources.add(key)
            self.require(resource.schema_url.startswith("https://opentelemetry.io/schemas/"), where, "no schema_url")
            self.require(resource.scope_profiles, where, "has no scope_profiles")
            for s, scope in enumerate(resource.scope_profiles):
                self.require(scope.scope.name and scope.scope.version, where, f"scope {s} has no name or version")
                self.check_literal(scope.scope.attributes, where)
                self.require(scope.profiles, where, f"scope {s} has no profiles")
                for p, profile in enumerate(scope.profiles):
                    self.check_profile(profile, f"{where}.scope_profiles[{s}].profiles[{p}]", ids)

    def check_literal(self, attributes, where):
        """Resource and scope attributes: literal text, unique keys."""
        keys = set()
        for attribute in attributes:
            if self.references and attribute.key_strindex:
                self.refer("string_table", attribute.key_strindex, where)
                key = self.text(attribute.key_strindex)
            else:
                key = attribute.key
                self.require(not attribute.key_strindex, where, "attribute key is not literal text")
            self.require(key, where, "an attribute has no key")
            self.require(key not in keys, where, f"an attribute key stands twice: {key}")
            keys.add(key)
            self.require(self.references or attribute.value.WhichOneof("value") != "string_value_strindex", where,
                         f"the value of {key} is not literal")
            self.check_value(attribute.value, where)

    def check_profile(self, profile, where, ids):
        for kind in (profile.sample_type, profile.period_type):
            self.refer("string_table", kind.type_strindex, where)
            self.refer("string_table", kind.unit_strindex, where)
        self.require(profile.sample_type.type_strindex and profile.sample_type.unit_strindex, where, "no sample_type")
        self.require(bool(profile.period_type.type_strindex) == (profile.period > 0), where,
                     "period and period_type do not go together")
        self.require(len(profile.profile_id) == 16 and any(profile.profile_id), where,
                     "profile_id is not 16 bytes or zero")
        self.require(profile.profile_id not in ids, where, "profile_id was used before")
        ids.add(profile.profile_id)
        # 2000-01-01 to 2200-01-01; a unit other than nanoseconds falls outside.
        self.require(946684800 * 10**9 <= profile.time_unix_nano < 7258118400 * 10**9, where,
                     f"time_unix_nano {profile.time_unix_nano} is no time of this age")
        self.require(0 < profile.duration_nano < 10**9 * 86400 * 366, where,
                     f"duration_nano {profile.duration_nano} is 0 or above a year")
        self.check_attributes(profile.attribute_indices, where)
        shapes, identities = set(), set()
        for i, sample in enumerate(profile.samples):
            self.check_sample(sample, profile, f"{where}.samples[{i}]", shapes, identities)
        self.require(len(shapes) <= 1, where, f"samples of different shapes: {sorted(shapes)}")

    def check_sample(self, sample, profile, where, shapes, identities):
        self.refer("stack_table", sample.stack_index, where)
        self.refer("link_table", sample.link_index, where)
        self.check_attributes(sample.attribute_indices, where)
        values, times = len(sample.values), len(sample.timestamps_unix_nano)
        if times == 0:
            self.require(values == 1, where, f"{values} values without timestamps")
            shapes.add("one value")
        else:
            self.require(values in (0, times), where, f"{values} values for {times} timestamps")
            shapes.add("timestamps" if values == 0 else "timestamps and values")
        end = profile.time_unix_nano + profile.duration_nano
        for time in sample.timestamps_unix_nano:
            self.require(profile.time_unix_nano <= time < end, where, f"timestamp {time} is outside the profile")
        identity = (sample.stack_index, frozenset(sample.attribute_indices), sample.link_index)
        self.require(identity not in identities, where, "same identity as an earlier sample")
        identities.add(identity)

    def check_orphans(self):
        """Follows references from what the profiles use; whatever else the tables hold is orphaned."""
        d, used = self.dictionary, self.used

        def entries(table):
            rows = getattr(d, table)
            return [rows[i] for i in sorted(used[table]) if 0 <= i < len(rows)]

        for stack in entries("stack_table"):
            used["location_table"].update(stack.location_indices)
        for location in entries("location_table"):
            used["mapping_table"].add(location.mapping_index)
            used["attribute_table"].update(location.attribute_indices)
            used["function_table"].update(line.function_index for line in location.lines)
        for mapping in entries("mapping_table"):
            used["attribute_table"].update(mapping.attribute_indices)
            used["string_table"].add(mapping.filename_strindex)
        for function in entries("function_table"):
            used["string_table"].update((function.name_strindex, function.system_name_strindex,
                                         function.filename_strindex))
        for attribute in entries("attribute_table"):
            used["string_table"].update((attribute.key_strindex, attribute.unit_strindex))
            self.check_value(attribute.value, "attribute_table")
        for table in TABLES:
            for i in range(1, len(getattr(d, table))):
                self.require(i in used[table], f"{table}[{i}]", "nothing refers to it")


def check(data, references=False, pyroscope=False):
    """The violations in a ProfilesData message, [] if there are none."""
    faults = Checker(data, references).run()
    if pyroscope and not faults:  # those rules follow indices
        faults = pyroscope_rules.check(data)
    return faults


def check_bytes(content, references=False, pyroscope=False):
    data = profiles_pb2.ProfilesData()
    try:
        data.ParseFromString(content)  # refuses text that is not UTF-8
    except DecodeError as error:
        return [f"no ProfilesData: {error}"]
    return check(data, references, pyroscope)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", action="store_true")
    parser.add_argument("--pyroscope", action="store_true")
    parser.add_argument("files", metavar="FILE", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    failed = False
    for path in options.files:
        faults = check_bytes(path.read_bytes(), options.references, options.pyroscope)
        for fault in faults:
            print(f"{path}: {fault}")
        print(f"{path}: {len(faults)} violations" if faults else f"{path}: OK")
        failed = failed or bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
