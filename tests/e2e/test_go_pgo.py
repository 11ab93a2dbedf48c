# SPDX-License-Identifier: Apache-2.0
"""A profile by kiln steers Go's compiler: profile-guided optimisation (`go build -pgo`) needs the functions' names, the
line of each call, and where each function begins."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

MODULE = "module example.org/hot\n\ngo 1.21\n"
# Calls of mix are too costly to be inlined (its cost is above 80), unless they are hot (then it may be 2000).
SOURCE = """package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func mix(state, value uint64) uint64 {
	state ^= value
	state *= 0x9e3779b97f4a7c15
	state ^= state >> 29
	state *= 0xbf58476d1ce4e5b9
	state ^= state >> 32
	state += value << 7
	state ^= state >> 17
	state *= 0x94d049bb133111eb
	state ^= state >> 31
	state += value >> 3
	state ^= state << 11
	for shift := value % 3; shift < 3; shift++ {
		state ^= state << (shift + 5)
		state += value ^ shift
	}
	state *= 0xd6e8feb86659fd93
	state ^= state >> 27
	return half(state - value)
}

func half(state uint64) uint64 {
	state ^= state << 21
	return state ^ state>>33
}

func spin(rounds uint64) uint64 {
	var state uint64
	for i := uint64(0); i < rounds; i++ {
		state = mix(state, i)
	}
	return state
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	var state uint64
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		state ^= spin(1_000_000)
	}
	fmt.Println(state)
}
"""


def line_of(text):
    """The number of the line of the source that begins so."""
    return next(number for number, line in enumerate(SOURCE.splitlines(), 1) if line.strip().startswith(text))


class ProfileGuidedOptimisationTest(harness.KilnTest):
    @classmethod
    def setUpClass(cls):
        # -pgo compiles the standard library too: once for all tests.
        cls.cache = tempfile.mkdtemp(prefix="kiln-go-")
        cls.addClassCleanup(shutil.rmtree, cls.cache)

    def setUp(self):
        super().setUp()
        self.require(shutil.which("go"), "no Go")
        # -pgo takes a file since 1.20, and inlines by it since 1.21.
        version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
        numbers = re.match(r"go(\d+)\.(\d+)", version)
        self.require(numbers and tuple(map(int, numbers.groups())) >= (1, 21), f"{version.strip()} is before 1.21")
        (self.folder / "go.mod").write_text(MODULE)
        (self.folder / "main.go").write_text(SOURCE)

    def go(self, *arguments):
        environment = dict(os.environ, GOCACHE=self.cache, GOFLAGS="-buildvcs=false", CGO_ENABLED="0")
        done = subprocess.run(["go", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True,
                              timeout=3 * harness.TIMEOUT_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def build(self, output, *arguments):
        """What the compiler says of inlining."""
        return self.go("build", "-gcflags=-m", "-o", output, *arguments, ".")

    def test_a_recorded_hot_call_is_inlined(self):
        call = f"main.go:{line_of('state = mix(')}:14: inlining call to mix"
        self.assertNotIn(call, self.build("plain", "-pgo=off"))
        self.record("--", self.folder / "plain", "5")
        self.assertIn(call, self.build("guided", f"-pgo={self.folder / 'out.pb.gz'}"))

    def test_pprof_reads_functions_and_lines(self):
        self.build("stripped", "-pgo=off", "-ldflags=-s -w")
        recording = self.record("--", self.folder / "stripped", "2")
        # half is inlined into mix, and mix called by spin: three functions, two frames.
        stacks = {tuple(name for frame in sample.frames for name in frame.names)[:3]
                  for sample in recording.profile.samples}
        self.assertIn(("main.half", "main.mix", "main.spin"), stacks)
        raw = self.go("tool", "pprof", "-raw", str(self.folder / "out.pb.gz"))
        source = str(pathlib.Path(self.folder).resolve() / "main.go")
        for function, declared in (("mix", "func mix"), ("half", "func half"), ("spin", "func spin")):
            self.assertRegex(raw, rf"main\.{function} {re.escape(source)}:\d+:0 s={line_of(declared)}\b")
        self.assertIn(f"main.spin {source}:{line_of('state = mix(')}:0 s={line_of('func spin')}", raw)
        self.assertIn(f"main.mix {source}:{line_of('return half(')}:0 s={line_of('func mix')}", raw)
        listing = self.go("tool", "pprof", "-sample_index=samples", "-list", r"main\.(mix|half|spin)$",
                          str(self.folder / "out.pb.gz"))
        hot = self.samples_of_line(listing, "state = mix(state, i)")
        self.assertGreater(hot, recording.profile.count(lambda sample: sample.has("main.mix")) * 0.95)

    @staticmethod
    def samples_of_line(listing, text):
        """The cumulative samples of a line of the source, in what `pprof -list` prints."""
        (line,) = (line for line in listing.splitlines() if text in line)
        return int(line.split()[1])


if __name__ == "__main__":
    unittest.main()
