# SPDX-License-Identifier: Apache-2.0
"""check_console.py on consoles made by hand."""

import base64
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import check_console

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from test_readers import field

TRUTH = '{"program":"shares","pid":90,"on_cpu_ns":10000000000,"functions":{"seventy":7000,"thirty":3000}}'


def pprof_of(counts, pid=90):
    strings = ["", "samples", "count", "process.pid", *counts]
    profile = field(1, field(1, 1) + field(2, 2))
    for number, count in enumerate(counts.values(), 1):
        profile += field(2, field(1, number) + field(2, count) + field(3, field(1, 3) + field(3, pid)))
        profile += field(4, field(1, number) + field(4, field(1, number)))
        profile += field(5, field(1, number) + field(2, 3 + number))
    return profile + b"".join(field(6, text.encode()) for text in strings)


def console_of(counts, status="0", verifier="0", end="@@@ done\r\n"):
    files = {
        "uname": b"6.1.0",
        "verifier.status": verifier.encode(),
        "verifier": b"verifier on_sample 1234\n",
        "record.status": status.encode(),
        "record.stdout": TRUTH.encode(),
        "record.stderr": b"kiln: a reason",
        "out.folded": "".join(f"shares;main;{name} {count}\n" for name, count in counts.items()).encode(),
        "out.pb.gz": pprof_of(counts),
        "unwind.status": b"0",
        "unwind.stdout": b"",
        "unwind.pb.gz": pprof_of({"burn": 10}),
    }
    text = "SeaBIOS\r\n[    1.0] a kernel message\r\n"
    for name, data in files.items():
        text += f"@@@ begin {name}\n{base64.encodebytes(data).decode()}@@@ end {name}\n".replace("\n", "\r\n")
    return text + end


PASSED = "passed 6.1 (6.1.0): 990 samples, seventy 70%, thirty 30%; all unwound; verifier instructions on_sample 1234\n"


class CheckConsoleTest(unittest.TestCase):
    def judge(self, console):
        """The exit status and what was printed. The unwind programs are judged by unwind_runs.py, not here."""
        unwound = mock.patch.object(check_console.unwind_runs, "faults", return_value=([], "all unwound"))
        with unwound, tempfile.NamedTemporaryFile("w", newline="") as log, contextlib.redirect_stdout(io.StringIO()) as output:
            log.write(console)
            log.flush()
            return check_console.main("6.1", log.name), output.getvalue()

    def test_accepts_right_shares(self):
        status, output = self.judge(console_of({"seventy": 693, "thirty": 297}))
        self.assertEqual((status, output), (0, PASSED))

    def test_says_what_is_wrong(self):
        good = {"seventy": 693, "thirty": 297}
        for console, sentence in [
            (console_of({"seventy": 500, "thirty": 490}), "seventy has 51%, should be 70%"),
            (console_of({"seventy": 693, "[shares+0x1680]": 297}), "70% of the samples are in seventy or thirty"),
            (console_of({"seventy": 69, "thirty": 29}), "98 samples of the load, should be at least 495"),
            (console_of(good, status="69"), "kiln record exited with 69"),
            (console_of(good, verifier="1"), "the kernel refused programs"),
            (console_of(good, end="Kernel panic"), "did not come to its end"),
            (console_of(good).replace("out.folded", "other"), "has no out.folded"),
        ]:
            with self.subTest(sentence):
                status, output = self.judge(console)
                self.assertEqual(status, 1)
                self.assertIn(sentence, output)
                self.assertIn("kiln: a reason", output)


if __name__ == "__main__":
    unittest.main()
