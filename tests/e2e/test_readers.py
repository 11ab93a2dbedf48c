# SPDX-License-Identifier: Apache-2.0
"""The readers of this folder, on bytes made by hand: what they say about kiln is only worth what they are."""

import gzip
import unittest

import folded
import pprof


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


STRINGS = ["", "samples", "count", "cpu", "nanoseconds", "main", "work", "add", "/bin/app", "process.pid",
           "thread.name", "worker", "kiln.samples.lost=0", "vfs_read", "[kernel.kallsyms]", "deadbeef"]


def example(location_of_leaf=2, strings=STRINGS):
    """main → work (add inlined) 30 times, main → vfs_read 10 times."""
    index = {text: number for number, text in enumerate(STRINGS)}
    function = lambda identity, name: field(5, field(1, identity) + field(2, index[name]))
    label = lambda key, value: field(3, field(1, index[key]) + value)
    profile = field(1, field(1, 1) + field(2, 2)) + field(1, field(1, 3) + field(2, 4))
    profile += field(2, field(1, varint(location_of_leaf) + varint(1)) + field(2, varint(30) + varint(300))
                     + label("process.pid", field(3, 42)) + label("thread.name", field(2, index["worker"])))
    profile += field(2, field(1, 3) + field(1, 1) + field(2, 10) + field(2, 100) + label("process.pid", field(3, 43)))
    profile += field(3, field(1, 1) + field(5, index["/bin/app"]) + field(6, index["deadbeef"]))
    profile += field(3, field(1, 2) + field(5, index["[kernel.kallsyms]"]))
    profile += field(4, field(1, 1) + field(2, 1) + field(3, 0x1000) + field(4, field(1, 1)))
    profile += field(4, field(1, 2) + field(2, 1) + field(3, 0x2000) + field(4, field(1, 3)) + field(4, field(1, 2)))
    profile += field(4, field(1, 3) + field(2, 2) + field(3, 0xFFFFFFFF81000000) + field(4, field(1, 4)))
    profile += function(1, "main") + function(2, "work") + function(3, "add") + function(4, "vfs_read")
    profile += b"".join(field(6, text.encode()) for text in strings)
    profile += field(10, 5) + field(11, field(1, 3) + field(2, 4)) + field(12, 10)
    return profile + field(13, varint(index["kiln.samples.lost=0"]))


class PprofReaderTest(unittest.TestCase):
    def test_reads_plain_and_gzip(self):
        self.assertEqual(pprof.parse(example()), pprof.parse(gzip.compress(example())))

    def test_reads_values_labels_and_properties(self):
        profile = pprof.parse(example())
        self.assertEqual(profile.sample_types, [("samples", "count"), ("cpu", "nanoseconds")])
        self.assertEqual((profile.period_type, profile.period), (("cpu", "nanoseconds"), 10))
        self.assertEqual([sample.count for sample in profile.samples], [30, 10])
        self.assertEqual(profile.samples[0].labels, {"process.pid": 42, "thread.name": "worker"})
        self.assertEqual(profile.properties, {"kiln.samples.lost": "0"})
        self.assertEqual(profile.mappings, [("/bin/app", "deadbeef"), ("[kernel.kallsyms]", "")])

    def test_reads_stacks_leaf_first_with_inlined_functions(self):
        first, second = pprof.parse(example()).samples
        self.assertEqual([frame.names for frame in first.frames], [("add", "work"), ("main",)])
        self.assertEqual(first.frames[0].mapping, "/bin/app")
        self.assertTrue(second.frames[0].is_kernel)
        self.assertEqual(second.frames[0].address, 0xFFFFFFFF81000000)

    def test_computes_shares(self):
        profile = pprof.parse(example())
        self.assertEqual(profile.count(), 40)
        self.assertEqual(profile.share("add"), 0.75)
        self.assertEqual(profile.share("main"), 1)
        self.assertEqual(profile.self_shares(), {"work": 0.75, "vfs_read": 0.25})
        self.assertEqual(profile.of_process(43).share("work"), 0)
        self.assertEqual(profile.labels("process.pid"), {42, 43})

    def test_refuses_broken_files(self):
        for name, data in [
            ("cut", example()[:-1]),
            ("unknown location", example(location_of_leaf=9)),
            ("string past the end", example(strings=STRINGS[:-4])),
            ("string 0 not empty", example(strings=["x"] + STRINGS[1:])),
        ]:
            with self.subTest(name), self.assertRaises(ValueError):
                pprof.parse(data)


class FoldedReaderTest(unittest.TestCase):
    def test_computes_shares(self):
        stacks = folded.parse("app;main;work 30\napp;main;operator new;vfs_read_[k] 10\n")
        self.assertEqual(stacks[1], (("app", "main", "operator new", "vfs_read_[k]"), 10))
        self.assertEqual(folded.total(stacks), 40)
        self.assertEqual(folded.share(stacks, "work"), 0.75)
        self.assertEqual(folded.share(stacks, "app"), 0)

    def test_refuses_lines_without_count(self):
        with self.assertRaises(ValueError):
            folded.parse("app;main;work\n")


if __name__ == "__main__":
    unittest.main()
