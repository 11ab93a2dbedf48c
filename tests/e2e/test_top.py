# SPDX-License-Identifier: Apache-2.0
"""kiln top beside loads of known shares: as text, as JSON, and on a terminal."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness

ENTER = b"\x1b[?1049h"
LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"


class Terminal:
    """kiln top on a pseudo-terminal of its own, and what it shows there: a terminal emulator for what kiln sends."""

    def __init__(self, *arguments, rows=24, columns=100):
        self.sent = b""
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [harness.kiln(), "top", *map(str, arguments)],
            stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TERM": "xterm"}, preexec_fn=self.take_terminal,
        )

    def take_terminal(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def close(self):
        self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.sent += os.read(self.master, 65536)
        return self.sent

    def type(self, keys):
        os.write(self.master, keys.encode())

    def frames(self):
        """Everything that was painted so far, one text per frame."""
        return self.read().split(b"\x1b[H")[1:]

    def screen(self):
        """The lines of the last whole frame."""
        frames = self.frames()
        if len(frames) < 2:
            return []
        # The last one may be under way still: it is whole if nothing more comes.
        text = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]", b"", frames[-1]).decode(errors="replace")
        return [line.rstrip() for line in text.split("\r\n")]

    def wait_for(self, *words):
        """The lines of a frame that has all `words`."""

        def found():
            lines = self.screen()
            return lines if all(any(word in line for line in lines) for word in words) else None

        return harness.wait_until(found, f"a screen with {words}; there is {self.screen()}")

    def finish(self):
        _, stderr = self.process.communicate(timeout=harness.TIMEOUT_SECONDS)
        self.read()
        return stderr


def rows(block):
    """function -> (self %, total %, CPU) of a block of plain text."""
    found = {}
    for line in block.splitlines():
        match = re.match(r" *([\d.]+) +([\d.]+) +([\d.]+)  (\S+)", line)
        if match:
            found[match[4]] = tuple(float(match[i]) for i in (1, 2, 3))
    return found


class PlainTest(harness.KilnTest):
    def top(self, *arguments):
        recording = self.run_kiln("top", *arguments)
        self.assertEqual(recording.status, 0, recording.stderr)
        self.assertNotIn("\x1b", recording.stdout)
        self.assertNotIn("\r", recording.stdout)
        return recording.stdout

    def test_once_shows_the_functions_of_a_process_with_their_shares(self):
        load = self.load("shares", 120)
        block = self.top("--once", "-d", "5s", "-F", harness.HZ, "-p", load.pid)
        head = block.splitlines()[:3]
        self.assertRegex(head[0], rf"^kiln top  \S+  \d\d:\d\d:\d\d  {harness.HZ} Hz  5\.[0-3] s  [\d,]+ samples$")
        self.assertRegex(head[1], r"of \d+ CPUs? used  (100\.0|99\.\d) % complete stacks  0 lost  kiln \d+\.\d % of a CPU")
        self.assertEqual(head[2], f"process {load.pid}, functions by self")
        shown = rows(block)
        self.assert_share(shown["seventy"][0] / 100, 0.7, "seventy", points=4)
        self.assert_share(shown["thirty"][0] / 100, 0.3, "thirty", points=4)
        self.assert_share(shown["main"][1] / 100, 1, "main with all that it calls", points=1)
        busy = float(head[1].split()[0])
        self.assertAlmostEqual(shown["seventy"][2], busy * shown["seventy"][0] / 100, delta=0.02)

    def test_cpu_is_what_the_load_had_of_the_machine(self):
        load = self.load("shares", 600)
        kiln = self.start_kiln("top", "--json", "--by", "process", "--once", "-d", "6s", "-F", harness.HZ, "-p", load.pid)
        harness.wait_until(lambda: harness.has_perf_events(kiln.pid), "kiln opens its perf events")
        cpu_ns, time_ns = load.on_cpu_ns(), time.monotonic_ns()
        recording = self.finish_kiln(kiln)
        expected = (load.on_cpu_ns() - cpu_ns) / (time.monotonic_ns() - time_ns)
        (row,) = json.loads(recording.stdout)["rows"]
        self.assertEqual((row["process"], row["pid"], row["percent"]), ("shares", load.pid, 100))
        self.assertAlmostEqual(row["cpu"], expected, delta=0.1 if not harness.SANITIZED else 0.3)

    def test_blocks_follow_each_other_and_cover_their_own_interval(self):
        load = self.load("shares", 120)
        text = self.top("-i", "1s", "-d", "3s", "-p", load.pid, "--lines", 1)
        blocks = text.split("\n\nkiln top")
        self.assertEqual(len(blocks), 3, text)
        for block in blocks:
            self.assertRegex(block, r" (1\.[0-4]|0\.[5-9]) s  ")
            self.assertIn("seventy", block)
            self.assertRegex(block, r"and [\d,]+ more functions")

    def test_whole_host_by_process_and_thread(self):
        load = self.load("threads", 120)
        self.assertRegex(self.top("--once", "--by", "process", "--lines", 100), rf" {load.pid}  threads ")
        self.assertRegex(self.top("--once", "--by", "thread", "--comm", "^render$"), rf" {load.pid} +\d+  render +threads +render_work")

    def test_tree(self):
        load = self.load("shares", 120)
        block = self.top("--once", "-i", "1s", "--tree", "-p", load.pid)
        order = [next(i for i, line in enumerate(block.splitlines()) if name in line) for name in ("main", "seventy", "thirty")]
        self.assertEqual(order, sorted(order))

    def test_json_lines(self):
        load = self.load("shares", 120)
        text = self.top("--json", "-i", "1s", "-d", "2s", "-p", load.pid, "-F", harness.HZ)
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(len(lines), 2, text)
        for line in lines:
            self.assertEqual(line["target"], f"process {load.pid}")
            self.assertEqual(line["frequency_hz"], harness.HZ)
            self.assertEqual(line["lost"], 0)
            function = next(row for row in line["rows"] if row["function"] == "seventy")
            self.assertEqual((function["process"], function["pid"], function["module"]), ("shares", load.pid, "shares"))
            self.assert_share(function["self_percent"] / 100, 0.7, "seventy", points=8)

    def test_a_process_that_does_nothing(self):
        sleeper = subprocess.Popen(["sleep", "600"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        harness.wait_until(lambda: pathlib.Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n", "sleep runs")
        self.assertIn(f"process {sleeper.pid} used no CPU in this interval", self.top("--once", "-i", "1s", "-p", sleeper.pid))

    def test_ends_with_its_process(self):
        load = self.load("shares", 120)
        kiln = self.start_kiln("top", "-i", "60s", "-p", load.pid)
        self.wait_for_recording(kiln, load)
        load.finish()
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0)
        self.assert_one_error_line(recording, 0, f"process {load.pid} has ended")
        self.assertIn("seventy", recording.stdout)  # what was sampled until then

    def test_ends_by_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            load = self.load("shares", 120)
            kiln = self.start_kiln("top", "-p", load.pid)
            self.wait_for_recording(kiln, load)
            kiln.send_signal(number)
            self.assertEqual(self.finish_kiln(kiln).status, 0)
            load.finish()

    def test_refuses_with_one_line(self):
        self.assert_one_error_line(self.run_kiln("top", "-i", "100ms"), 64, "--interval")
        self.assert_one_error_line(self.run_kiln("top", "-p", "4194303"), 66, "4194303")


class TerminalTest(harness.KilnTest):
    def terminal(self, *arguments, **size):
        terminal = Terminal(*arguments, **size)
        self.addCleanup(terminal.close)
        return terminal

    def assert_restored(self, terminal):
        sent = terminal.read()
        self.assertEqual(sent.count(ENTER), sent.count(LEAVE))
        self.assertTrue(sent.endswith(LEAVE), sent[-80:])
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.modes)

    def test_refreshes_in_place_and_quits(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "0.5s", "-p", load.pid)
        lines = terminal.wait_for("seventy", "q quit")
        self.assertTrue(lines[0].startswith("kiln top"), lines)
        self.assertEqual(len(lines), 24)
        modes = termios.tcgetattr(terminal.slave)
        self.assertEqual(modes[3] & (termios.ECHO | termios.ICANON), 0)
        clock = lines[0]
        harness.wait_until(lambda: terminal.screen()[0] != clock, "the next interval")
        sent = terminal.read()
        self.assertTrue(sent.startswith(ENTER + b"\x1b[?25l"), sent[:40])
        # No clearing of the screen but the one on entry: frames are painted over each other.
        self.assertNotIn(b"\x1b[2J", sent)
        terminal.type("q")
        self.assertEqual(terminal.finish(), "")
        self.assertEqual(terminal.process.returncode, 0)
        self.assert_restored(terminal)

    def test_keys(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "0.5s", "-p", load.pid)
        terminal.wait_for("seventy", "functions by self")
        terminal.type("s")
        terminal.wait_for("functions by total")
        terminal.type("b")
        terminal.wait_for("processes by CPU", f"{load.pid}  shares")
        terminal.type("t")
        terminal.wait_for("call tree", " main  [shares]")
        terminal.type("bbb")
        terminal.wait_for("functions by total")
        terminal.type("/thir")
        lines = terminal.wait_for("filter: thir_", "thirty")
        self.assertFalse([line for line in lines if "seventy" in line])
        terminal.type("\r")
        terminal.wait_for("filter 'thir'", "q quit")
        terminal.type("\x1b")
        terminal.wait_for("seventy", "thirty")
        terminal.type("k")
        terminal.wait_for("without kernel")
        terminal.type("h")
        terminal.wait_for("how many CPUs it keeps busy, on average")
        terminal.type("h ")
        paused = terminal.wait_for("PAUSED")[0]
        count = len(terminal.frames())
        time_passed = load.on_cpu_ns() + 700_000_000
        harness.wait_until(lambda: load.on_cpu_ns() > time_passed, "the load runs")
        self.assertEqual(len(terminal.frames()), count)  # nothing is painted in a pause
        self.assertEqual(terminal.screen()[0], paused)
        terminal.type("p")
        harness.wait_until(lambda: terminal.screen()[0] != paused, "it goes on")
        terminal.type("q")
        terminal.finish()
        self.assert_restored(terminal)

    def test_follows_the_size(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "1s", "-p", load.pid)
        terminal.wait_for("seventy")
        terminal.resize(6, 40)
        lines = harness.wait_until(lambda: len(terminal.screen()) == 6 and terminal.screen(), "a screen of six lines")
        self.assertLessEqual(max(map(len, lines)), 40)
        terminal.resize(1, 5)
        harness.wait_until(lambda: len(terminal.screen()) == 1, "a screen of one line")
        terminal.resize(50, 200)
        self.assertEqual(len(harness.wait_until(lambda: len(terminal.screen()) == 50 and terminal.screen(), "large")), 50)
        terminal.type("q")
        terminal.finish()
        self.assert_restored(terminal)

    def test_signals_restore_the_terminal(self):
        load = self.load("shares", 600)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            with self.subTest(number.name):
                terminal = self.terminal("-i", "0.5s", "-p", load.pid)
                terminal.wait_for("seventy")
                terminal.process.send_signal(number)
                self.assertEqual(terminal.finish(), "")
                self.assertEqual(terminal.process.returncode, 0)
                self.assert_restored(terminal)

    def test_ctrl_c_restores_the_terminal(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "0.5s", "-p", load.pid)
        terminal.wait_for("seventy")
        terminal.type("\x03")
        terminal.finish()
        self.assertEqual(terminal.process.returncode, 0)
        self.assert_restored(terminal)

    def test_a_stop_gives_the_terminal_back_until_it_goes_on(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "0.5s", "-p", load.pid)
        terminal.wait_for("seventy")
        terminal.process.send_signal(signal.SIGTSTP)
        state = lambda: pathlib.Path(f"/proc/{terminal.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        harness.wait_until(lambda: state() == "T", "kiln stops")
        self.assert_restored(terminal)
        terminal.process.send_signal(signal.SIGCONT)
        harness.wait_until(lambda: terminal.read().count(ENTER) == 2, "it goes on")
        self.assertEqual(termios.tcgetattr(terminal.slave)[3] & termios.ECHO, 0)
        terminal.type("q")
        terminal.finish()
        self.assert_restored(terminal)

    def test_ends_with_its_process(self):
        load = self.load("shares", 600)
        terminal = self.terminal("-i", "0.5s", "-p", load.pid)
        terminal.wait_for("seventy")
        load.finish()
        self.assertEqual(terminal.finish(), f"kiln top: process {load.pid} has ended\n")
        self.assertEqual(terminal.process.returncode, 0)
        self.assert_restored(terminal)


if __name__ == "__main__":
    unittest.main()
