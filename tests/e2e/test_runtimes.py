# SPDX-License-Identifier: Apache-2.0
"""Code that a runtime makes while it runs, and programs of other languages: the functions of a load of known shares
(tests/programs/runtimes) are in the profile and in the flame graph under their names, each with its part.

Where the names come from: perf maps of Node.js, OpenJDK, PHP and Python, jitdumps of Node.js and PHP, the symbol table of
a Rust program.
"""

import glob
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import folded
import harness

PROGRAMS = pathlib.Path(__file__).parents[1] / "programs" / "runtimes"
SECONDS = 6
POINTS = 4  # one process uses more CPU time than its main thread: compilers, garbage collectors


def python_with_perf_support():
    """A Python that writes a perf map (3.12 and newer); "" if there is none."""
    asks = "import sys; sys.exit(not sys.activate_stack_trampoline)"
    places = [shutil.which(f"python3.{minor}") for minor in (12, 13, 14)]
    places += glob.glob(os.path.expanduser("~/.pyenv/versions/3.1[2-9]*/bin/python3"))
    for place in filter(None, places):
        if subprocess.run([place, "-c", asks], stderr=subprocess.DEVNULL).returncode == 0:
            return place
    return ""


class RuntimesTest(harness.KilnTest):
    def setUp(self):
        super().setUp()
        self.maps = set(glob.glob("/tmp/perf-*.map") + glob.glob("/tmp/jit-*.dump"))
        self.addCleanup(self.remove_maps)

    def remove_maps(self):
        for path in set(glob.glob("/tmp/perf-*.map") + glob.glob("/tmp/jit-*.dump")) - self.maps:
            os.unlink(path)

    def require_tools(self, *tools):
        for tool in tools:
            self.require(shutil.which(tool), f"no {tool}")

    def check(self, recording, truth, names, module):
        """`names` are patterns of both functions; `module` is where the profile has them from."""
        functions = truth["functions"]
        together = sum(functions.values())
        with open(recording.folder / "out.folded", encoding="utf-8") as file:
            stacks = folded.parse(file.read())
        for function, pattern in names.items():
            matches = re.compile(pattern).fullmatch
            profile = recording.profile
            in_profile = profile.count(lambda sample: any(any(map(matches, frame.names)) for frame in sample.frames))
            in_stacks = folded.total(stacks, lambda frames: any(map(matches, frames)))
            expected = functions[function] / together
            self.assert_share(in_profile / profile.count(), expected, f"{function} in the profile", POINTS)
            self.assert_share(in_stacks / folded.total(stacks), expected, f"{function} in folded stacks", POINTS)
            modules = {frame.mapping for sample in profile.samples for frame in sample.frames if any(map(matches, frame.names))}
            self.assertTrue(modules and all(re.fullmatch(module, name) for name in modules), modules)

    def record_both(self, *command):
        return self.record(*command, outputs=("out.pb.gz", "out.folded"))

    def check_command(self, command, names, module):
        recording = self.record_both("--", *map(str, command))
        self.check(recording, recording.truth, names, module)

    def node_names(self):
        return {name: rf"JS:[*^~+]*{name} .*/load\.js:\d+:\d+" for name in ("seventy", "thirty")}

    def test_node_with_a_perf_map(self):
        self.require_tools("node")
        command = ("node", "--perf-basic-prof", "--no-turbo-inlining", PROGRAMS / "load.js", SECONDS)
        self.check_command(command, self.node_names(), r"/tmp/perf-\d+\.map")

    def test_node_with_a_jitdump(self):
        self.require_tools("node")
        command = ("node", "--perf-prof", "--no-turbo-inlining", PROGRAMS / "load.js", SECONDS)
        # It is written to the folder where Node.js runs.
        self.check_command(command, self.node_names(), rf"{self.folder}/jit-\d+\.dump")

    def php(self, *settings):
        self.require_tools("php")
        modules = subprocess.run(["php", "-m"], capture_output=True, text=True).stdout
        self.require("Zend OPcache" in modules, "PHP without OPcache")
        words = ["php", "-d", "opcache.enable_cli=1", "-d", "opcache.jit_buffer_size=64M"]
        for setting in settings:
            words += ["-d", setting]
        return *words, PROGRAMS / "load.php", SECONDS

    def test_php_with_a_perf_map(self):
        command = self.php("opcache.jit=1205", "opcache.jit_debug=0x10")
        self.check_command(command, {"seventy": r"JIT\$seventy", "thirty": r"JIT\$thirty"}, r"/tmp/perf-\d+\.map")

    def test_php_with_a_jitdump_of_traces(self):
        command = self.php("opcache.jit=1255", "opcache.jit_debug=0x20")
        names = {name: rf"TRACE-\d+\${name}\$\d+" for name in ("seventy", "thirty")}
        self.check_command(command, names, r"/tmp/jit-\d+\.dump")

    def test_python_with_a_perf_map(self):
        python = python_with_perf_support()
        if not python:  # Debian 12 has none
            self.skipTest("no Python 3.12 or newer")
        names = {name: rf"py::{name}:.*/load\.py" for name in ("seventy", "thirty")}
        self.check_command((python, "-X", "perf", PROGRAMS / "load.py", SECONDS), names, r"/tmp/perf-\d+\.map")

    def test_java_with_a_perf_map(self):
        """OpenJDK writes it when it is asked to (jcmd), which may be while kiln is recording."""
        self.require_tools("java", "javac", "jcmd")
        subprocess.run(["javac", "-d", self.folder, PROGRAMS / "Load.java"], check=True)
        process = subprocess.Popen(
            ["java", "-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Load::*", "-cp", str(self.folder), "Load",
             str(3 * SECONDS)], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)

        def is_hot():
            # More than a second of CPU time in all: both functions have been compiled.
            words = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
            return int(words[11]) + int(words[12]) > 2 * os.sysconf("SC_CLK_TCK")

        harness.wait_until(is_hot, "Java compiles its loops")
        kiln = self.start_record("-p", process.pid, "-d", SECONDS, outputs=("out.pb.gz", "out.folded"))
        harness.wait_until(lambda: harness.has_perf_events(kiln.pid), "kiln opens its perf events")
        jcmd = subprocess.run(["jcmd", str(process.pid), "Compiler.perfmap"], capture_output=True, text=True)
        self.assertEqual(jcmd.returncode, 0, jcmd.stdout + jcmd.stderr)
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0, recording.stderr)
        (truth,) = harness.truths(process.communicate(timeout=harness.TIMEOUT_SECONDS)[0])
        # As the perf map says, and as the profile shortens it.
        names = {name: rf"(double )?Load\.{name}\(int\)" for name in ("seventy", "thirty")}
        self.check(recording, truth, names, r"/tmp/perf-\d+\.map")

    def test_rust(self):
        self.require_tools("rustc")
        program = self.folder / "load"
        subprocess.run(["rustc", "-O", "-o", program, PROGRAMS / "load.rs"], check=True)
        names = {name: f"load::work::{name}" for name in ("seventy", "thirty")}
        self.check_command((program, SECONDS), names, re.escape(str(program)))


class UnusableMapTest(harness.KilnTest):
    """What a process, or somebody else, may put in the place of a perf map costs its names and nothing else."""

    def record_with(self, make):
        """Records Node.js, which leaves the file alone that it finds. `make` gets the path, before Node.js runs."""
        self.require(shutil.which("node"), "no node")
        script = self.folder / "start.sh"
        # The pid stays the same: the map is there before the program is.
        script.write_text(f'#!/bin/sh\nset -e\n{make}\nexec node "{PROGRAMS}/load.js" 1\n'.replace("MAP", "/tmp/perf-$$.map"))
        script.chmod(0o755)
        recording = self.record("--", str(script), outputs=("out.pb.gz",))
        path = pathlib.Path(f"/tmp/perf-{recording.truth['pid']}.map")
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        properties = recording.profile.properties
        prefix = "kiln.frames.unnamed: "
        return {key.removeprefix(prefix) for key in properties if key.startswith(prefix)}

    def test_the_reason_is_told(self):
        cases = {
            "mkfifo MAP": "perf map or jitdump is no regular file",
            "mkdir MAP": "perf map or jitdump is no regular file",
            "ln -s /dev/zero MAP": "perf map or jitdump is no regular file",
            "ln -s /nonexistent MAP": "perf map or jitdump is unreadable",
            "truncate -s 8G MAP": "perf map or jitdump is damaged",
            "echo '1000 10 foo' >MAP; chown 4711 MAP": "perf map or jitdump is another user's or process's",
            "echo '1000 10 foo' >MAP; touch -d 2001-01-01 MAP": "perf map is older than the process",
            "true": "no perf map",
        }
        for make, reason in cases.items():
            with self.subTest(make):
                self.assertIn(reason, self.record_with(make))


class HostileNamesTest(harness.KilnTest):
    """Names with control characters, escape sequences, invalid UTF-8 and markup reach no terminal, no line of folded
    stacks and no page as they are."""

    NAME = b"evil\x1b[31m\x1b]0;owned\x07\x08\r\x7f\xff\xc2\x9b2J\xe2\x80\xaeeman</script><b>&;bold"

    def assert_harmless(self, data, what, marks="\u202e"):
        """Valid UTF-8 without control characters; nor `marks`, which reorder a line."""
        text = data.decode("utf-8")
        found = {hex(ord(c)) for c in text if (ord(c) < 0x20 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in marks}
        self.assertEqual(found, set(), what)

    def run_bytes(self, *words):
        done = subprocess.run([harness.kiln(), *map(str, words)], cwd=self.folder, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_they_are_harmless_everywhere(self):
        load = self.load("jit", 120)
        path = pathlib.Path(f"/tmp/perf-{load.pid}.map")
        self.addCleanup(path.unlink)
        harness.wait_until(lambda: path.exists() and path.read_bytes().endswith(b"\n"), "the perf map is written")
        start, size, _ = path.read_bytes().split(b" ", 2)
        path.write_bytes(b" ".join((start, size, self.NAME)) + b"\n")
        outputs = ("out.pb.gz", "out.folded", "out.html")
        words = [word for output in outputs for word in ("-o", output)]
        said = {"record": self.run_bytes("record", "-F", harness.HZ, "-d", 2, *words, "-p", load.pid)}
        said["report"] = self.run_bytes("report", "out.pb.gz")
        said["report --tree"] = self.run_bytes("report", "out.pb.gz", "--tree")
        said["report of folded stacks"] = self.run_bytes("report", "out.folded")
        said["top"] = self.run_bytes("top", "--once", "-d", 1, "-p", load.pid)
        said["doctor"] = self.run_bytes("doctor", "-p", load.pid)
        for what, data in said.items():
            with self.subTest(what):
                self.assert_harmless(data, what)
                self.assertIn(b"perf map" if what == "doctor" else b"evil", data)
        self.run_bytes("convert", "out.pb.gz", "converted.folded")
        self.run_bytes("convert", "out.pb.gz", "converted.html")
        for name in ("out.folded", "converted.folded"):
            said[name] = (self.folder / name).read_bytes()
            self.assert_harmless(said[name], name, marks="")
            self.assertIn(b"evil", said[name])
        for name in ("out.html", "converted.html"):  # names are in the packed data alone, which tests/browser looks at
            page = (self.folder / name).read_bytes()
            self.assert_harmless(page, name)
            self.assertNotIn(b"evil", page)
        stacks = folded.parse(said["out.folded"].decode())
        evil = [frames for frames, _ in stacks if any("evil" in frame for frame in frames)]
        self.assertTrue(evil and all("bold" in frame for frames in evil for frame in frames if "evil" in frame), evil)


if __name__ == "__main__":
    unittest.main()
