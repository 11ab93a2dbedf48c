# SPDX-License-Identifier: Apache-2.0
"""The same load under `perf record -F 997 -g`: the functions that use most CPU themselves agree within 5 points."""

import re
import shutil
import subprocess
import unittest

import harness

POINTS = 5
SECONDS = 10
TOP = 0.05  # functions with at least this share on either side are compared


def plain_name(name):
    """A function's name without what the two tools write differently: parameters, ABI tags, clone suffixes, [k]."""
    name = name.removesuffix("_[k]").replace("(anonymous namespace)", "{anonymous}").replace("operator()", "{call}")
    name = re.sub(r"\[abi:\w+\]", "", name)
    name = re.sub(r"\.(isra|constprop|part|cold)(\.\d+)?", "", name)
    depth = start = 0
    for at, letter in enumerate(name):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if depth == 0 and letter == "(":
            return name[start:at]
        if depth == 0 and letter == " " and not name[start:at].endswith("operator"):
            start = at + 1  # what stood before was the return type of a template
    return name


def key_of(function, file, program):
    """What is compared: functions of the program and of the kernel by name, libraries as a whole. Which names a library
    has depends on the debug files that perf finds on this machine."""
    file = file.rsplit("/", 1)[-1]
    return plain_name(function) if file == program or file.startswith("[kernel") else file


def self_shares_of_script(script, program):
    """Shares by key_of() from the text of `perf script -F pid,ip,sym,dso`, 0 to 1."""
    counts = {}
    leaf_follows = False
    for line in script.splitlines():
        if re.match(r"\s*\d+\s*$", line):
            leaf_follows = True
        elif leaf_follows and line.strip():
            symbol, _, file = line.strip().partition(" ")[2].rpartition(" (")
            key = key_of(symbol, file.removesuffix(")"), program)
            counts[key] = counts.get(key, 0) + 1
            leaf_follows = False
    total = sum(counts.values())
    return {key: count / total for key, count in counts.items()}


class PerfScriptTest(unittest.TestCase):
    def test_reads_leaves(self):
        script = """
 17
\t  8bed seventy (/build/shares)
\t  9000 main (/build/shares)

 17
\tffffffff81 _raw_spin_lock.isra.0 ([kernel.kallsyms])
\t 1 main (/build/shares)

 17
\t 9 f(int) (/build/shares)

 17
\t 9 [unknown] (/lib/libc.so.6)
"""
        shares = {"seventy": 0.25, "_raw_spin_lock": 0.25, "f": 0.25, "libc.so.6": 0.25}
        self.assertEqual(self_shares_of_script(script, "shares"), shares)

    def test_names_become_comparable(self):
        for name, plain in [
            ("demo::(anonymous namespace)::Parse(int) const", "demo::{anonymous}::Parse"),
            ("std::set<int, std::less<void (int)> >::insert(int&&)", "std::set<int, std::less<void (int)> >::insert"),
            ("void std::sort<long*, bool (int)>(long*, long*)", "std::sort<long*, bool (int)>"),
            ("demo::Compress[abi:cxx11](char)", "demo::Compress"),
            ("vfs_read_[k]", "vfs_read"),
            ("operator new(unsigned long)", "operator new"),
        ]:
            self.assertEqual(plain_name(name), plain)


class PerfComparisonTest(harness.KilnTest):
    def setUp(self):
        super().setUp()
        self.require(shutil.which("perf"), "no perf (Debian: linux-perf)")

    def compare(self, name, *arguments, at_least):
        """Both record one running load side by side: two runs of a load differ by more than the two tools do."""
        load = self.load(name, 120, *arguments)
        pids = [load.pid, *harness.children(load.pid)]
        data = self.folder / "perf.data"
        perf = ["perf", "record", "-q", "-e", "cpu-clock", "-F", harness.HZ, "-g", "-o", data]
        perf += ["-p", ",".join(map(str, pids)), "--", "sleep", SECONDS]
        perf = subprocess.Popen(list(map(str, perf)))
        self.addCleanup(perf.kill)
        targets = [word for pid in pids for word in ("-p", pid)]
        profile = self.record(*targets, "-d", f"{SECONDS}s").profile
        self.assertEqual(perf.wait(harness.TIMEOUT_SECONDS), 0)
        script = ["perf", "script", "-i", data, "--no-inline", "-F", "pid,ip,sym,dso"]
        script = subprocess.run(script, check=True, capture_output=True, text=True, timeout=harness.TIMEOUT_SECONDS)

        theirs = self_shares_of_script(script.stdout, name)
        ours = profile.self_shares(lambda frame: key_of(frame.name, frame.mapping, name))
        top = sorted(key for key in ours.keys() | theirs.keys() if max(ours.get(key, 0), theirs.get(key, 0)) >= TOP)
        self.assertGreaterEqual(len(top), at_least, f"kiln: {ours}, perf: {theirs}")
        for key in top:
            self.assert_share(ours.get(key, 0), theirs.get(key, 0), f"{key} against perf", POINTS)

    def test_shares(self):
        self.compare("shares", at_least=2)

    def test_threads(self):
        self.compare("threads", at_least=3)

    def test_kernel_heavy_reader(self):
        self.compare("reader", at_least=2)

    def test_demo(self):
        self.compare("demo", at_least=4)


if __name__ == "__main__":
    unittest.main()
