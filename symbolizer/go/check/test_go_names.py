# SPDX-License-Identifier: Apache-2.0
"""Names of Go code against Go's own: a program of many kinds of code (folder program) is built in several ways and asked
what its runtime knows of its addresses; `go tool addr2line` is asked too. What differs fails the test.

The environment says where things are: PRINT_GO_NAMES is that tool of the build. KILN_GO_ROOTS lists further
installations of Go, from 1.16 on, by their folders (GOROOT), with ":" between. CI set to anything means that the test may
not skip.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import compare_names

PROGRAM = pathlib.Path(__file__).parent / "program"
# Name, further flags of `go build`, flags of its linker, with C.
BUILDS = [
    ("plain", [], "", "0"),
    ("stripped", ["-trimpath"], "-s -w", "0"),
    ("position-independent", ["-buildmode=pie"], "-s -w", "0"),
    ("with C", ["-buildmode=pie"], "-linkmode=external", "1"),
]


class Go:
    """One installation."""

    def __init__(self, root):
        self.command = str(pathlib.Path(root) / "bin" / "go")
        self.environment = dict(os.environ, GOROOT=str(root), GOTOOLCHAIN="local", GOENV="off", GOFLAGS="")
        self.name = self.run("version").split()[2]
        self.version = tuple(int(number) for number in self.name.removeprefix("go").split(".")[:2])

    def run(self, *arguments, **environment):
        done = subprocess.run([self.command, *arguments], env=self.environment | environment, cwd=PROGRAM,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"go {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def build(self, output, flags, linker, with_c):
        if self.version >= (1, 18):
            flags = [*flags, "-buildvcs=false"]
        if self.version >= (1, 23):  # the program asks the runtime by its private functions
            linker += " -checklinkname=0"
        self.run("build", "-o", output, *flags, f"-ldflags={linker}", ".", CGO_ENABLED=with_c)


class GoNamesTest(unittest.TestCase):
    def setUp(self):
        if shutil.which("go") is None:
            if os.environ.get("CI"):
                self.fail("missing in CI: Go")
            self.skipTest("no Go")
        self.folder = tempfile.mkdtemp(prefix="kiln-go-names-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.tool = os.environ["PRINT_GO_NAMES"]

    def check(self, go, name, flags, linker, with_c):
        program = str(pathlib.Path(self.folder) / "program")
        go.build(program, flags, linker, with_c)
        figures, differences, examples = compare_names.compare(self.tool, program, [program])
        print(f"{go.name} {name}: {dict(figures)}, different: {dict(differences)}")
        self.assertEqual(differences, {}, examples)
        self.assertEqual(figures["compared"], figures["addresses"])
        self.assertGreater(figures["inlined"], 1000)
        count, differences, examples = compare_names.compare_addr2line(self.tool, program, ["go", "tool", "addr2line"])
        self.assertGreater(count, 5000)
        self.assertEqual(differences, {}, examples)

    def test_agree_with_the_runtime(self):
        roots = [root for root in os.environ.get("KILN_GO_ROOTS", "").split(":") if root]
        own = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
        for go in map(Go, [own, *roots]):
            for build in BUILDS:
                with self.subTest(go=go.name, build=build[0]):
                    self.check(go, *build)


if __name__ == "__main__":
    unittest.main()
