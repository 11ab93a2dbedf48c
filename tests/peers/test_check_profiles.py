# SPDX-License-Identifier: Apache-2.0
"""The checker finds each kind of fault, and none where there is none."""
import unittest

import peers

peers.need_python()
import check_profiles  # noqa: E402
import example  # noqa: E402
import pyroscope_rules  # noqa: E402


def first(m):
    return example.profiles_of(m)[0]


def second(m):
    return example.profiles_of(m)[1]


def text(m, value):
    m.dictionary.string_table.append(value)
    return len(m.dictionary.string_table) - 1


def resource_attribute(m, key="", value="", **fields):
    m.resource_profiles[0].resource.attributes.add(key=key, **fields).value.string_value = value


def same_with_attributes_turned(m):
    """Two mappings that say the same in another order."""
    attributes = [1, 4]
    m.dictionary.mapping_table[1].attribute_indices[:] = attributes
    m.dictionary.mapping_table.add().CopyFrom(m.dictionary.mapping_table[1])
    m.dictionary.mapping_table[3].attribute_indices[:] = attributes[::-1]


# (what the checker must say, how to break the example)
FAULTS = [
    ("stack_table index 999 is out of range", lambda m: setattr(first(m).samples[0], "stack_index", 999)),
    ("stack_table index -1 is out of range", lambda m: setattr(first(m).samples[0], "stack_index", -1)),
    ("link_table index -1 is out of range", lambda m: setattr(first(m).samples[0], "link_index", -1)),
    ("attribute_table index 999", lambda m: first(m).samples[0].attribute_indices.append(999)),
    ("attribute_table index 999", lambda m: first(m).attribute_indices.append(999)),
    ("attribute_table index 999", lambda m: m.dictionary.location_table[1].attribute_indices.append(999)),
    ("attribute_table index 999", lambda m: m.dictionary.mapping_table[1].attribute_indices.append(999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.function_table[1], "name_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.function_table[1], "system_name_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.function_table[1], "filename_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.mapping_table[1], "filename_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.attribute_table[1], "key_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.attribute_table[1], "unit_strindex", 999)),
    ("string_table index 999", lambda m: setattr(m.dictionary.attribute_table[1].value, "string_value_strindex", 999)),
    ("string_table index 999",
     lambda m: m.dictionary.attribute_table[1].value.array_value.values.add(string_value_strindex=999)),
    ("string_table index 999", lambda m: setattr(first(m).sample_type, "unit_strindex", 999)),
    ("string_table index 999", lambda m: setattr(first(m).period_type, "type_strindex", 999)),
    ("mapping_table index 999", lambda m: setattr(m.dictionary.location_table[1], "mapping_index", 999)),
    ("function_table index 999", lambda m: setattr(m.dictionary.location_table[1].lines[0], "function_index", 999)),
    ("location_table index 999", lambda m: m.dictionary.stack_table[1].location_indices.append(999)),
    *((f"{table}: is empty", lambda m, table=table: m.dictionary.ClearField(table)) for table in check_profiles.TABLES),
    ("mapping_table: entry 0 is not", lambda m: setattr(m.dictionary.mapping_table[0], "memory_limit", 1)),
    ("location_table: entry 0 is not", lambda m: setattr(m.dictionary.location_table[0], "address", 1)),
    ("function_table: entry 0 is not", lambda m: setattr(m.dictionary.function_table[0], "start_line", 1)),
    ("link_table: entry 0 is not", lambda m: setattr(m.dictionary.link_table[0], "span_id", bytes(8))),
    ("string_table: entry 0 is not", lambda m: m.dictionary.string_table.__setitem__(0, "x")),
    ("attribute_table: entry 0 is not", lambda m: setattr(m.dictionary.attribute_table[0].value, "bool_value", False)),
    ("stack_table: entry 0 is not", lambda m: m.dictionary.stack_table[0].location_indices.append(1)),
    *(("duplicate of entry 1", lambda m, table=table: getattr(m.dictionary, table).append(getattr(m.dictionary, table)[1]))
      for table in check_profiles.TABLES),
    ("mapping_table[3]: duplicate of entry 1", same_with_attributes_turned),
    ("nothing refers to it", lambda m: text(m, "orphan")),
    ("nothing refers to it", lambda m: m.dictionary.stack_table.add().location_indices.extend([1, 1, 1])),
    ("location_table[2]: nothing refers to it", lambda m: m.dictionary.stack_table[1].location_indices.remove(2)),
    ("link_table[1]: nothing refers to it", lambda m: setattr(first(m).samples[0], "link_index", 0)),
    ("stands twice", lambda m: first(m).samples[0].attribute_indices.append(first(m).samples[0].attribute_indices[0])),
    ("an attribute key stands twice",
     lambda m: m.resource_profiles[0].resource.attributes.append(m.resource_profiles[0].resource.attributes[0])),
    ("an attribute has no key", resource_attribute),
    ("attribute key is not literal", lambda m: resource_attribute(m, key_strindex=1)),
    ("the value of a is not literal",
     lambda m: m.resource_profiles[0].resource.attributes.add(key="a").value.__setattr__("string_value_strindex", 1)),
    ("attribute_table[4]: has no key", lambda m: setattr(m.dictionary.attribute_table[4], "key_strindex", 0)),
    ("memory_start is not below", lambda m: setattr(m.dictionary.mapping_table[1], "memory_limit", 1)),
    ("address 0x9001 is outside its mapping, 0x1000 to 0x9000",
     lambda m: setattr(m.dictionary.location_table[1], "address", 0x9001)),
    ("address 0xfff is outside its mapping", lambda m: setattr(m.dictionary.location_table[1], "address", 0xfff)),
    ("negative line", lambda m: setattr(m.dictionary.location_table[1].lines[0], "line", -1)),
    ("negative line or column", lambda m: setattr(m.dictionary.location_table[1].lines[0], "column", -1)),
    ("negative start_line", lambda m: setattr(m.dictionary.function_table[1], "start_line", -1)),
    ("a line has no function", lambda m: setattr(m.dictionary.location_table[1].lines[0], "function_index", 0)),
    ("has none of its three names", lambda m: m.dictionary.function_table[1].Clear()),
    ("trace_id is not 16 bytes", lambda m: m.dictionary.link_table.add(trace_id=b"123", span_id=b"12345678")),
    ("span_id is not 8 bytes", lambda m: m.dictionary.link_table.add(trace_id=b"1" * 16, span_id=bytes(8))),
    ("no sample_type", lambda m: first(m).ClearField("sample_type")),
    ("period and period_type", lambda m: setattr(first(m), "period", 0)),
    ("period and period_type", lambda m: setattr(first(m), "period", -1)),
    ("period and period_type", lambda m: first(m).ClearField("period_type")),
    ("profile_id is not 16 bytes", lambda m: setattr(first(m), "profile_id", b"1")),
    ("profile_id was used before", lambda m: setattr(first(m), "profile_id", second(m).profile_id)),
    ("is no time of this age", lambda m: setattr(first(m), "time_unix_nano", 1700000000)),
    ("duration_nano 0", lambda m: setattr(first(m), "duration_nano", 0)),
    ("2 values without timestamps", lambda m: first(m).samples[0].values.append(1)),
    ("0 values without timestamps", lambda m: first(m).samples[0].ClearField("values")),
    ("1 values for 2 timestamps",
     lambda m: first(m).samples[0].timestamps_unix_nano.extend([first(m).time_unix_nano] * 2)),
    ("is outside the profile",
     lambda m: first(m).samples[0].timestamps_unix_nano.append(first(m).time_unix_nano - 1)),
    ("is outside the profile",
     lambda m: first(m).samples[0].timestamps_unix_nano.append(first(m).time_unix_nano + first(m).duration_nano)),
    ("different shapes", lambda m: first(m).samples[0].timestamps_unix_nano.append(first(m).time_unix_nano)),
    ("same identity", lambda m: first(m).samples.append(first(m).samples[0])),
    ("same resource", lambda m: m.resource_profiles.append(m.resource_profiles[0])),
    ("has no resource_profiles", lambda m: m.ClearField("resource_profiles")),
    ("has no scope_profiles", lambda m: m.resource_profiles[0].ClearField("scope_profiles")),
    ("has no profiles", lambda m: m.resource_profiles[0].scope_profiles[0].ClearField("profiles")),
    ("has no name or version", lambda m: m.resource_profiles[0].scope_profiles[0].ClearField("scope")),
    ("no schema_url", lambda m: m.resource_profiles[0].ClearField("schema_url")),
]


def many_labels(m):
    for i in range(24):
        resource_attribute(m, f"key{i}", "x")


def many_samples(m):
    for value in range(16001):
        first(m).samples.add(stack_index=3, values=[value + 1])


# What is valid OTLP, but not what Pyroscope can use.
PYROSCOPE_FAULTS = [
    ("no frame for 0x2345 in /usr/bin/shop", lambda m: m.dictionary.location_table[2].ClearField("lines")),
    ("no frame for 0x0 in", lambda m: [setattr(f, "name_strindex", 0) for f in m.dictionary.function_table[2:4]]),
    ("invalid metric name", lambda m: example.set_types(m, ("wall", "nanoseconds"))),
    ("sample type contains -", lambda m: example.set_types(m, ("a-b", "count"), ("c", "d"), period_value=1)),
    ("max_label_names_per_series", many_labels),
    ("label_value_too_long", lambda m: resource_attribute(m, "process.command_line", "x" * 2049)),
    ("label_name_too_long", lambda m: resource_attribute(m, "x" * 1025, "x")),
    ("duplicate_label_names", lambda m: resource_attribute(m, "service_name", "x")),
    ("samples_limit", many_samples),
    ("rate_limited", lambda m: text(m, "x") and setattr(
        m.dictionary.function_table[1], "filename_strindex", text(m, "x" * (5 << 20)))),
    ("without a positive value", lambda m: first(m).samples[0].values.__setitem__(0, 0)),
]


class CheckProfilesTest(unittest.TestCase):
    def test_the_example_is_valid(self):
        self.assertEqual(check_profiles.check(example.request(), pyroscope=True), [])

    def test_each_fault_is_found(self):
        for expected, break_it in FAULTS:
            with self.subTest(expected):
                message = example.request()
                break_it(message)
                faults = check_profiles.check(message)
                self.assertTrue(any(expected in fault for fault in faults), f"{expected!r} is not among {faults}")

    def test_each_fault_for_pyroscope_is_found(self):
        for expected, break_it in PYROSCOPE_FAULTS:
            with self.subTest(expected):
                message = example.request()
                break_it(message)
                faults = pyroscope_rules.check(message)
                self.assertTrue(any(expected in fault for fault in faults), f"{expected!r} is not among {faults}")

    def test_rules_of_pyroscope_are_asked_for(self):
        message = example.request()
        resource_attribute(message, "service_name", "x")
        self.assertEqual(check_profiles.check(message), [])
        self.assertIn("duplicate_label_names", str(check_profiles.check(message, pyroscope=True)))

    def test_text_that_is_not_utf8(self):
        content = example.request().SerializeToString()
        self.assertEqual(check_profiles.check_bytes(content), [])
        self.assertTrue(check_profiles.check_bytes(content.replace(b"vfs_read", b"vfs\xffread")))

    def test_a_cut_file(self):
        self.assertTrue(check_profiles.check_bytes(example.request().SerializeToString()[:-3]))
        self.assertTrue(check_profiles.check_bytes(b""))

    def test_references_of_resources(self):
        message = example.request()
        key, value = text(message, "region"), text(message, "north")
        attribute = message.resource_profiles[0].resource.attributes.add(key_strindex=key)
        attribute.value.string_value_strindex = value
        self.assertEqual(check_profiles.check(message, references=True), [])
        faults = str(check_profiles.check(message))
        for expected in ("key is not literal", "the value of  is not literal", "nothing refers to it"):
            self.assertIn(expected, faults)
        attribute.key_strindex = 999
        self.assertIn("out of range", str(check_profiles.check(message, references=True)))

    def test_shapes_that_are_allowed(self):
        for values, times in ((1, 0), (0, 3), (3, 3)):
            message = example.request()
            for profile in example.profiles_of(message):
                for sample in profile.samples:
                    sample.values[:] = [1] * values
                    sample.timestamps_unix_nano[:] = [profile.time_unix_nano + i for i in range(times)]
            self.assertEqual(check_profiles.check(message), [])

    def test_a_return_address_behind_the_last_instruction(self):
        message = example.request()
        message.dictionary.location_table[1].address = 0x9000
        self.assertEqual(check_profiles.check(message), [])


if __name__ == "__main__":
    unittest.main()
