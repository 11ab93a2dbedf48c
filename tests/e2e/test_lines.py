# SPDX-License-Identifier: Apache-2.0
"""Files, lines and inlined functions in recordings, and what becomes of them where debug information is elsewhere."""

import subprocess
import unittest

import harness

SOURCE = """
namespace app { namespace {
__attribute__((always_inline)) inline double Mix(double x) {
  return x * 1.0000001 + 0.5;
}
__attribute__((noinline)) double Work(long n) {
  double s = 0;
  for (long i = 0; i < n; ++i) s = Mix(s);
  return s;
}
} }
int main() {
  double t = 0;
  for (int i = 0; i < 40; ++i) t += app::Work(40000000);
  return t == 1;
}
"""


class LinesTest(harness.KilnTest):
    def build(self):
        source = self.folder / "hot.cc"
        source.write_text(SOURCE)
        program = self.folder / "hot"
        self.require(subprocess.run(["sh", "-c", "command -v g++ objcopy"], capture_output=True).returncode == 0, "no g++")
        subprocess.run(["g++", "-O2", "-g", "-o", program, source], check=True)
        return program

    def record_hot(self, program, *arguments):
        # A folder of its own: what other tests have read does not count.
        self.record("--debug-info-cache", str(self.folder / "cache"), *arguments, "--", str(program), outputs=("out.pb.gz",))
        raw = subprocess.run(["go", "tool", "pprof", "-raw", self.folder / "out.pb.gz"], capture_output=True, text=True)
        self.assertEqual(raw.returncode, 0, raw.stderr)
        return raw.stdout

    def setUp(self):
        super().setUp()
        self.require(subprocess.run(["sh", "-c", "command -v go"], capture_output=True).returncode == 0, "no go")

    def test_inlined_function_file_and_line(self):
        raw = self.record_hot(self.build())
        self.assertRegex(raw, r"Mix \S*/hot\.cc:4:\d+ s=3")
        self.assertRegex(raw, r"app::\(anonymous namespace\)::Work\(long\) \S*/hot\.cc:8:\d+ s=6")

    def test_names_alone(self):
        raw = self.record_hot(self.build(), "--no-debug-info")
        self.assertIn("app::(anonymous namespace)::Work(long)", raw)
        self.assertNotIn("hot.cc", raw)

    def test_debug_file_in_a_folder(self):
        program = self.build()
        folder = self.folder / "debug"
        folder.mkdir()
        subprocess.run(["objcopy", "--only-keep-debug", program, folder / "hot.debug"], check=True)
        subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={folder / 'hot.debug'}", program], check=True)
        self.assertNotIn("hot.cc", self.record_hot(program))
        self.assertRegex(self.record_hot(program, "--debug-dir", str(folder)), r"Mix \S*/hot\.cc:4")


if __name__ == "__main__":
    unittest.main()
