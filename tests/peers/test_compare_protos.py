# SPDX-License-Identifier: Apache-2.0
"""compare_protos.py sees each kind of difference."""
import pathlib
import tempfile
import unittest

import peers

peers.need_python()
import compare_protos  # noqa: E402
import protos  # noqa: E402

UPSTREAM = """syntax = "proto3";
package opentelemetry.test;
message A { int32 one = 1; repeated fixed64 two = 2; oneof value { string three = 3; B four = 4; }
            optional double five = 5; message Inner { bytes id = 1; } enum Kind { ZERO = 0; SOME = 1; } }
message B { A.Inner inner = 1; A.Kind kind = 2; }
message Unused {}
service S { rpc Export(A) returns (B); }
"""
DIFFERENCES = [
    ("int32 one = 1", "int32 one = 7", "field 7 is one", "field 1 is missing"),
    ("int32 one = 1", "int32 uno = 1", "field 1 is uno"),
    ("int32 one = 1", "int64 one = 1", "TYPE_INT64"),
    ("int32 one = 1", "sint32 one = 1", "TYPE_SINT32"),
    ("int32 one = 1", "repeated int32 one = 1", "LABEL_REPEATED"),
    ("int32 one = 1", "optional int32 one = 1", "field 1 is one : optional"),
    ("int32 one = 1;", "", "field 1 is missing"),
    ("int32 one = 1;", "int32 one = 1; int32 more = 9;", "upstream has none"),
    ("two = 2", "two = 2 [packed = false]", "unpacked"),
    ("oneof value", "oneof other", "oneof other"),
    ("B four = 4", "A four = 4", ".opentelemetry.test.A"),
    ("optional double five", "double five", "LABEL_OPTIONAL TYPE_DOUBLE, upstream five : optional"),
    ("bytes id", "string id", "A.Inner: field 1 is id"),
    ("SOME = 1", "SOME = 2", "A.Kind: value SOME is 2"),
    ("SOME = 1;", "", "value SOME is missing"),
    ("message Unused", "message Invented", "Invented: upstream has no such"),
    ("Export(A)", "Export(B)", "method Export"),
    ("returns (B)", "returns (stream B)", "streaming"),
]


def declarations(text):
    with tempfile.TemporaryDirectory(prefix="kiln-protos-") as folder:
        (pathlib.Path(folder) / "x.proto").write_text(text, encoding="utf-8")
        return compare_protos.declarations(protos.descriptors(["x.proto"], folder))


class CompareProtosTest(unittest.TestCase):
    def test_equal_files_agree(self):
        self.assertEqual(compare_protos.compare(declarations(UPSTREAM), declarations(UPSTREAM)), ([], []))

    def test_what_is_missing_is_information(self):
        ours = declarations(UPSTREAM.replace("message Unused {}", ""))
        faults, information = compare_protos.compare(ours, declarations(UPSTREAM))
        self.assertEqual((faults, information), ([], ["opentelemetry.test.Unused is only upstream"]))

    def test_each_difference_is_found(self):
        upstream = declarations(UPSTREAM)
        for old, new, *expected in DIFFERENCES:
            with self.subTest(new):
                self.assertIn(old, UPSTREAM)
                faults, _ = compare_protos.compare(declarations(UPSTREAM.replace(old, new)), upstream)
                for text in expected:
                    self.assertTrue(any(text in fault for fault in faults), f"{text!r} is not among {faults}")

    def test_googles_messages_in_a_package_of_ours(self):
        text = """syntax = "proto3"; package google.rpc;
            message Status { int32 code = 1; repeated Any details = 3; } message Any { bytes value = 2; } message More {}"""
        upstream, ours = declarations(text), text.replace("google.rpc", "kiln.rpc").replace(" message More {}", "")
        self.assertEqual(compare_protos.compare(declarations(ours), upstream), ([], []))
        for old, new, expected in (("bytes value", "string value", "google.rpc.Any: field 2 is value"),
                                   ("Any details", "Status details", "google.rpc.Status: field 3 is details"),
                                   ("message Any", "message Other {} message Any", "kiln.rpc.Other: upstream has no such")):
            faults, _ = compare_protos.compare(declarations(ours.replace(old, new)), upstream)
            self.assertEqual(len(faults), 1)
            self.assertIn(expected, faults[0])

    def test_own_packages_are_left_alone(self):
        ours = declarations(UPSTREAM.replace("package opentelemetry.test", "package kiln.test"))
        self.assertEqual(compare_protos.compare(ours, {}), ([], []))


if __name__ == "__main__":
    unittest.main()
