# SPDX-License-Identifier: Apache-2.0
"""check_arm64.py on consoles made by hand."""

import unittest

import check_arm64

NM = """0000000000400500 T _start
0000000000400600 t burn
0000000000400700 T bottom
0000000000400800 t descend
0000000000400900 T main
0000000000401000 T __libc_start_main
0000000000402000 d data
"""
GOOD = "400604 r400710" + " r400820" * 50 + " r400910 r401010 r400510"


def console_of(*stacks, status="0", end="@@@ done"):
    lines = [f"stack {name} {stack}" for name in check_arm64.CHAINS for stack in stacks]
    lines += [f"status {name} {status}" for name in check_arm64.CHAINS]
    return "\r\n".join(["boot", "uname 6.1.0 aarch64", "pointer authentication 1", "verifier on_sample 13311", *lines, end, ""])


class CheckArm64Test(unittest.TestCase):
    def setUp(self):
        self.chains = check_arm64.CHAINS
        check_arm64.CHAINS = {"deep": ["burn", "bottom", *["descend"] * 50, "main"]}

    def tearDown(self):
        check_arm64.CHAINS = self.chains

    def judge(self, console):
        return check_arm64.judge(console, lambda program: check_arm64.Symbols(NM))

    def test_accepts_right_chains(self):
        wrong, summary = self.judge(console_of(f"900 ROOT {GOOD}", "10 READ_FAULT 400910", "9 PROCESS_UNKNOWN 400604"))
        self.assertEqual(wrong, [])
        self.assertEqual(summary, "(6.1.0 aarch64): chains deep 900; verifier instructions on_sample 13311")

    def test_return_address_behind_a_function_belongs_to_it(self):
        self.assertEqual(check_arm64.frame_name(check_arm64.Symbols(NM), "r400700"), "burn")
        self.assertEqual(check_arm64.frame_name(check_arm64.Symbols(NM), "400700"), "bottom")

    def test_says_what_is_wrong(self):
        for console, sentence in [
            (console_of(f"900 ROOT {GOOD}", f"1 READ_FAULT {GOOD}"), "1 samples of burn <- bottom"),
            (console_of(f"900 ROOT {GOOD}", "1 ROOT 400604 r400910"), "1 samples of burn <- main: ROOT"),
            (console_of(f"900 ROOT {GOOD}", "1 ROOT 400604 rffff00400910"), "1 samples of burn <- [vdso]: ROOT"),
            (console_of(f"900 ROOT {GOOD}", "1 ROOT 400604 r400100"), "1 samples of burn <- ?: ROOT"),
            (console_of(f"199 ROOT {GOOD}"), "199 samples of burn are right, should be at least 200"),
            (console_of(f"900 ROOT {GOOD}", status="139"), "ended with ['139']"),
            (console_of(f"900 ROOT {GOOD}").replace("authentication 1", "authentication 0"), "signs no return addresses"),
            (console_of(f"900 ROOT {GOOD}", end="Kernel panic"), "did not come to its end"),
        ]:
            with self.subTest(sentence):
                wrong, _ = self.judge(console)
                self.assertTrue(any(sentence in line for line in wrong), wrong)


if __name__ == "__main__":
    unittest.main()
