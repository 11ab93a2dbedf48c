# SPDX-License-Identifier: Apache-2.0
"""The comparison of stacks with chains, without kiln."""

import unittest

import chains
import pprof
import unwind_programs


def frames(*names):
    """Frames named so; a path is a frame without a name in that file."""
    return [pprof.Frame((), name, 0) if "/" in name else pprof.Frame((name,), "/bin/x", 0) for name in names]


class ChainTest(unittest.TestCase):
    def assert_matches(self, text, *names):
        self.assertTrue(chains.Chain(text).matches(frames(*names)), f"{text}: {names}")

    def assert_differs(self, text, *names):
        self.assertFalse(chains.Chain(text).matches(frames(*names)), f"{text}: {names}")

    def test_names_must_agree_one_by_one(self):
        self.assert_matches("burn last main", "burn", "last", "main")
        self.assert_differs("burn last main", "burn", "main")
        self.assert_differs("burn last main", "burn", "last", "last", "main")
        self.assert_differs("burn last main", "burn", "last")
        self.assert_differs("burn last main", "burn", "last", "main", "[truncated: depth limit]")

    def test_repetitions_are_exact(self):
        self.assert_matches("burn (odd even)*2 main", "burn", "odd", "even", "odd", "even", "main")
        self.assert_differs("burn (odd even)*2 main", "burn", "odd", "even", "main")
        self.assert_matches("a*3 b", "a", "a", "a", "b")
        self.assert_differs("a*3 b", "a", "a", "b")
        self.assert_matches("a+ b", "a", "a", "b")
        self.assert_differs("a+ b", "b")

    def test_files_stand_for_frames_of_any_name(self):
        self.assert_matches("main [libc]*2 _start", "main", "/lib/libc.so.6", "/lib/libc.so.6", "_start")
        self.assert_differs("main [libc] _start", "main", "/lib/ld.so", "_start")

    def test_gaps_hold_any_number_of_frames(self):
        for between in [(), ("x",), ("x", "y")]:
            self.assert_matches("burn ... main", "burn", *between, "main")
        self.assert_differs("burn ... main", "burn", "x")

    def test_a_cut_stack_fits_no_gap(self):
        self.assert_differs("burn ...", "burn", "[truncated: depth limit]")

    def test_rest_of_a_chain(self):
        chain = chains.Chain("burn descend*3 main")
        self.assertTrue(chain.ends_as(frames("descend", "descend", "main")))
        self.assertTrue(chain.ends_as(frames("main")))
        self.assertFalse(chain.ends_as(frames("descend")))
        self.assertFalse(chain.ends_as(frames("descend", "descend", "descend", "descend", "main")))

    def test_names_with_spaces(self):
        self.assert_matches("f(int,_int) main", "f(int, int)", "main")

    def test_all_programs_are_well_formed(self):
        titles = [program.title for program in unwind_programs.PROGRAMS]
        self.assertEqual(len(titles), len(set(titles)))
        for program in unwind_programs.PROGRAMS:
            for chain in program.chains:
                self.assertTrue(chains.parse(chain), program.title)

    def test_cut_reason(self):
        sample = pprof.Sample(tuple(frames("burn", "[truncated: depth limit]")), {}, 1)
        self.assertEqual(chains.cut_reason(sample), "depth limit")
        self.assertEqual(chains.cut_reason(pprof.Sample(tuple(frames("burn")), {}, 1)), "")


if __name__ == "__main__":
    unittest.main()
