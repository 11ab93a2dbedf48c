# SPDX-License-Identifier: Apache-2.0
"""Files, lines and inlined functions in recordings, and what becomes of them where debug information is elsewhere."""

import pathlib
import re
import shlex
import signal
import subprocess
import unittest

import harness

SOURCE = """
namespace app { namespace {
__attribute__((always_inline)) inline double Mix(double x) {
  return (x / 1.1 + 2) / 1.3 + (x / 1.7 + 3) / 1.9;
}
__attribute__((noinline)) double Work(long n) {
  double s = 0;
  for (long i = 0; i < n; ++i) s = Mix(s);
  return s;
}
} }
int main() {
  double t = 0;
  for (int i = 0; i < ROUNDS; ++i) t += app::Work(20000000 + i % 2);
  return t == 1;
}
"""
FOR_EVER = 1 << 30
HOST_DEBUG = pathlib.Path("/usr/lib/debug")


class LinesTest(harness.KilnTest):
    def build(self, *options, rounds=10):
        source = self.folder / "hot.cc"
        source.write_text(SOURCE)
        program = self.folder / "hot"
        self.require(subprocess.run(["sh", "-c", "command -v g++ objcopy"], capture_output=True).returncode == 0, "no g++")
        subprocess.run(["g++", "-O2", "-g", f"-DROUNDS={rounds}", *options, "-o", program, source], check=True)
        return program

    def record_hot(self, program, *arguments, cache=None):
        # A folder of its own: what other tests have read does not count.
        self.recording = self.record("--debug-info-cache", cache or self.folder / "cache", *arguments, "--", program)
        return self.raw()

    def raw(self):
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
        raw = self.record_hot(program, "--debug-dir", str(folder))
        self.assertRegex(raw, r"Mix \S*/hot\.cc:4")
        # It has no debug information: the name is a symbol of the debug file.
        self.assertRegex(raw, r"M=1 _start ")

    def split_off(self, program):
        """Takes symbols and debug information out of `program`; the path of a file that has them, by build id."""
        notes = subprocess.run(["readelf", "-n", program], check=True, capture_output=True, text=True).stdout
        build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)[1]
        debug = self.folder / "split.debug"
        subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        subprocess.run(["strip", program], check=True)
        return debug, pathlib.Path(".build-id", build_id[:2], build_id[2:] + ".debug")

    def record_in_container(self, *copies):
        """Records a static program whose root is a file system that nobody else sees. `copies` go there: (from, to)."""
        root = self.folder / "root"
        root.mkdir()
        script = ["set -e", f"mount -t tmpfs none {root}"]
        for source, target in copies:
            path = shlex.quote(f"{root}/{target}")
            script.append(f"mkdir -p $(dirname {path}) && cp {shlex.quote(str(source))} {path}")
        script.append(f"exec chroot {root} /app")
        container = subprocess.Popen(["unshare", "--mount", "sh", "-c", "\n".join(script)])
        self.addCleanup(container.wait)
        self.addCleanup(container.kill)
        harness.wait_until(lambda: (harness.link_target(f"/proc/{container.pid}/exe") or "").endswith("/app"), "the program runs")
        kiln = self.start_record("-p", container.pid, "--debug-info-cache", self.folder / "cache")
        harness.wait_until(lambda: harness.has_perf_events(kiln.pid), "kiln opens its perf events")
        enough = harness.on_cpu_ns(container.pid) + 1_000_000_000
        harness.wait_until(lambda: harness.on_cpu_ns(container.pid) > enough, "the program is sampled")
        kiln.send_signal(signal.SIGINT)
        recording = self.finish_kiln(kiln)
        self.assertEqual(recording.status, 0, recording.stderr)
        return self.raw()

    def test_stripped_container_with_debug_files_on_the_host(self):
        program = self.build("-static", "-Wl,--build-id", rounds=FOR_EVER)
        debug, place = self.split_off(program)
        self.assertNotIn("Work", self.record_in_container((program, "app")))
        (HOST_DEBUG / place).parent.mkdir(parents=True, exist_ok=True)
        self.addCleanup((HOST_DEBUG / place).unlink)
        (HOST_DEBUG / place).write_bytes(debug.read_bytes())
        (self.folder / "root").rmdir()
        raw = self.record_in_container((program, "app"))
        self.assertRegex(raw, r"Mix \S*/hot\.cc:4:\d+ s=3")
        self.assertRegex(raw, r"app::\(anonymous namespace\)::Work\(long\) \S*/hot\.cc:8:\d+ s=6")

    def test_container_with_debug_files_of_its_own(self):
        program = self.build("-static", "-Wl,--build-id", rounds=FOR_EVER)
        debug, place = self.split_off(program)
        raw = self.record_in_container((program, "app"), (debug, f"usr/lib/debug/{place}"))
        self.assertRegex(raw, r"Mix \S*/hot\.cc:4:\d+ s=3")

    def test_more_than_memory_may_hold(self):
        """Compressed sections go to a file in the cache's folder; without one there are names alone, and why is said."""
        program = self.build()
        padded = self.folder / "strings"
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.debug_str", "--set-section-flags", ".debug_str=alloc", program, padded], check=True)
        with padded.open("ab") as strings:
            strings.truncate(padded.stat().st_size + (200 << 20))
        subprocess.run(["objcopy", f"--update-section=.debug_str={padded}", program], check=True)
        subprocess.run(["objcopy", "--compress-debug-sections=zlib", program], check=True)
        self.assertLess(program.stat().st_size, 2 << 20)
        self.assertRegex(self.record_hot(program, "--debug-info-memory", "64MiB"), r"Mix \S*/hot\.cc:4")
        raw = self.record_hot(program, "--debug-info-memory", "64MiB", cache="none")
        self.assertIn("app::(anonymous namespace)::Work(long)", raw)
        self.assertNotIn("hot.cc", raw)
        self.assertRegex(self.recording.stdout, r"(?m)^lines .*too large")
        self.assertRegex(self.recording.stdout, r"(?m)^note +no lines of \S*/hot: .*limit")


if __name__ == "__main__":
    unittest.main()
