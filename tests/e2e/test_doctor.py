# SPDX-License-Identifier: Apache-2.0
"""`kiln doctor -p` on real processes: what it says of their code, and how it ends where there is nothing to say."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness

# <sysexits.h>
EX_USAGE, EX_NOINPUT, EX_UNAVAILABLE, EX_NOPERM = 64, 66, 69, 77
NOBODY = 65534
KERNEL_THREAD = 0x00200000  # PF_KTHREAD


class DoctorTest(harness.KilnTest):
    def start(self, path, *arguments):
        """A program that spends a minute of CPU time; its pid once it has begun."""
        process = subprocess.Popen([path, "60000", *map(str, arguments)], stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        target = os.path.realpath(path)
        harness.wait_until(lambda: harness.link_target(f"/proc/{process.pid}/exe") == target, "the program runs")
        # Its libraries are mapped once it works.
        harness.wait_until(lambda: harness.on_cpu_ns(process.pid) > 50_000_000, "the program works")
        return process.pid

    def diagnose(self, pid, status=0):
        recording = self.run_kiln("doctor", "--json", "-p", pid)
        self.assertEqual(recording.status, status, recording.stderr + recording.stdout)
        diagnosis = json.loads(recording.stdout)
        self.assertEqual(diagnosis["pid"], pid)
        self.assertEqual(diagnosis["can_unwind"], status == 0)
        return diagnosis

    def mapping(self, diagnosis, condition):
        (mapping,) = [mapping for mapping in diagnosis["mappings"] if condition(mapping)]
        return mapping

    def named(self, diagnosis, name):
        return self.mapping(diagnosis, lambda mapping: os.path.basename(mapping["path"]) == name)

    def assert_walked(self, mapping, *, cfi=0.0, derived=0.0):
        """At least these parts of the code have rules of the kind, and all but 2 % has some."""
        code = mapping["walk"]["code_bytes"]
        self.assertGreater(code["all"], 0)
        self.assertEqual(code["all"], sum(code[kind] for kind in code if kind != "all"))
        self.assertGreaterEqual(code["cfi"], cfi * code["all"], mapping)
        self.assertGreaterEqual(code["derived"], derived * code["all"], mapping)
        self.assertGreaterEqual(code["cfi"] + code["derived"], 0.98 * code["all"], mapping)
        self.assertGreater(mapping["walk"]["rows"], 0)
        self.assertGreater(mapping["walk"]["table_bytes"], 0)


class MappingsTest(DoctorTest):
    def test_program_without_frame_pointers(self):
        diagnosis = self.diagnose(self.start(harness.program("unwind/depth"), 50))
        program = self.named(diagnosis, "depth")
        self.assertEqual(program["walk"]["method"], "table")
        self.assertIn(".eh_frame", program["walk"]["origins"])
        self.assertEqual(program["names"]["origin"], ".symtab")
        self.assertEqual(program["health"], "ok")
        self.assert_walked(program, cfi=0.7)  # the start-up code has none
        libc = self.named(diagnosis, "libc.so.6")
        self.assert_walked(libc, cfi=0.97)
        self.assertRegex(libc["build_id"], "^[0-9a-f]{16,}$")
        self.assertEqual(self.named(diagnosis, "[vdso]")["walk"]["method"], "table")

    def test_debug_frame_only(self):
        program = self.named(self.diagnose(self.start(harness.program("unwind/depth_debug_frame"), 50)), "depth_debug_frame")
        self.assertEqual(program["walk"]["origins"][0], ".debug_frame")

    def test_stripped_program(self):
        path = self.folder / "depth"
        subprocess.run(["strip", "-o", path, harness.program("unwind/depth")], check=True)
        program = self.named(self.diagnose(self.start(path, 50)), "depth")
        self.assertEqual(program["walk"]["health"], "ok")
        self.assertEqual(program["names"]["health"], "limited")
        self.assertIn("stripped", program["names"]["sentence"])

    def test_unwind_information_in_a_separate_debug_file(self):
        path, debug = self.folder / "depth", self.folder / ".debug" / "depth.debug"
        debug.parent.mkdir()
        whole = harness.program("unwind/depth_debug_frame")
        subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", whole, path], check=True)
        pid = self.start(path, 50)
        program = self.named(self.diagnose(pid), "depth")
        self.assertEqual(program["walk"]["origins"][0], f".debug_frame of {debug}")
        code = program["walk"]["code_bytes"]
        self.assertGreater(code["cfi"], code["all"] / 2, program)
        debug.unlink()
        program = self.named(self.diagnose(pid), "depth")
        self.assertNotIn(".debug_frame", " ".join(program["walk"]["origins"]))

    def test_static_program_of_musl(self):
        path = harness.program("unwind/depth_musl_static")
        self.require(os.path.exists(path), "musl-gcc is missing")
        program = self.named(self.diagnose(self.start(path, 50)), "depth_musl_static")
        self.assertIn("instructions", program["walk"]["origins"])
        self.assert_walked(program, derived=0.2)

    def test_go_program(self):
        path = harness.program("unwind/go")
        self.require(os.path.exists(path), "go is missing")
        program = self.named(self.diagnose(self.start(path, 50)), "go")
        self.assertIn("Go functions", program["walk"]["origins"])

    def test_generated_code_with_and_without_perf_map(self):
        load = self.load("jit", 60)
        perf_map = pathlib.Path(f"/tmp/perf-{load.pid}.map")
        self.addCleanup(perf_map.unlink, missing_ok=True)
        harness.wait_until(lambda: perf_map.exists() and perf_map.stat().st_size, "the perf map is written")
        code = self.mapping(self.diagnose(load.pid), lambda mapping: mapping["path"] == "")
        self.assertEqual(code["walk"]["method"], "frame pointers")
        self.assertEqual(code["names"]["origin"], "perf map")
        self.assertGreater(code["names"]["functions"], 0)
        perf_map.unlink()
        code = self.mapping(self.diagnose(load.pid), lambda mapping: mapping["path"] == "")
        self.assertEqual(code["names"]["health"], "limited")
        self.assertIn(perf_map.name, code["names"]["sentence"])

    def test_deleted_program(self):
        load = self.load("deleted", 60)
        executable = f"/proc/{load.pid}/exe"
        harness.wait_until(lambda: harness.link_target(executable).endswith(" (deleted)"), "the file is deleted")
        program = self.diagnose(load.pid)["mappings"][0]
        self.assertFalse(program["on_disk"])
        self.assertEqual(program["health"], "ok")
        self.assertIn("deleted", program["walk"]["sentence"])

    def test_program_in_another_mount_namespace(self):
        load = self.load("namespaced", 60)
        pid = int(load.read_line().split()[1])
        harness.wait_until(lambda: harness.link_target(f"/proc/{pid}/exe") == "/tmp/namespaced", "the inner program runs")
        harness.wait_until(lambda: harness.on_cpu_ns(pid) > 50_000_000, "the inner program works")
        diagnosis = self.diagnose(pid)
        self.assertTrue(diagnosis["other_mount_namespace"])
        self.assertEqual(self.named(diagnosis, "namespaced")["health"], "ok")
        self.assertTrue(self.named(diagnosis, "namespaced")["on_disk"])

    def test_table_for_people(self):
        pid = self.start(harness.program("unwind/depth"), 50)
        recording = self.run_kiln("doctor", "--pid", pid)
        self.assertEqual(recording.status, 0, recording.stderr)
        lines = recording.stdout.splitlines()
        self.assertEqual(lines[0], f"process {pid} (depth)")
        self.assertTrue(lines[2].startswith("STATE"))
        column = lines[2].index("MAPPING")
        places = [line[column:] for line in lines[3:] if line.startswith(("OK", "limited", "failed"))]
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        code = [line.split()[0] for line in maps if line.split()[1][2] == "x"]
        code = ["-".join(end.lstrip("0") for end in ends.split("-")) for ends in code]
        self.assertEqual([place.split()[0] for place in places], code)
        self.assertTrue(lines[-1].startswith("Stacks can be walked"), lines[-1])


class ErrorsTest(DoctorTest):
    def assert_error(self, status, pid, *words):
        self.assert_one_error_line(self.run_kiln("doctor", "-p", pid), status, "kiln doctor: ", *words)

    def test_no_process(self):
        self.assert_error(EX_NOINPUT, 2**22 + 1, "there is no process")

    def test_no_pid(self):
        self.assert_error(EX_USAGE, "x", "--pid")
        self.assert_error(EX_USAGE, "0", "--pid")

    def test_thread(self):
        load = self.load("threads", 60)
        harness.wait_until(lambda: len(os.listdir(f"/proc/{load.pid}/task")) > 1, "threads begin")
        thread = next(tid for tid in map(int, os.listdir(f"/proc/{load.pid}/task")) if tid != load.pid)
        self.assert_error(EX_NOINPUT, thread, f"thread of process {load.pid}")

    def test_zombie(self):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        self.addCleanup(os.waitpid, pid, 0)
        harness.wait_until(lambda: "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text(), "the child ends")
        self.assert_error(EX_UNAVAILABLE, pid, "zombie")

    def test_kernel_thread(self):
        def is_kernel_thread(pid):
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except FileNotFoundError:
                return False
            return int(stat.rpartition(")")[2].split()[6]) & KERNEL_THREAD

        threads = [int(name) for name in os.listdir("/proc") if name.isdigit() and is_kernel_thread(name)]
        self.require(threads, "a pid namespace without kernel threads")
        self.assert_error(EX_UNAVAILABLE, threads[0], "kernel thread")

    def test_32_bit_program(self):
        source, path = self.folder / "a.c", self.folder / "a"
        source.write_text("void _start(void) { for (;;) __asm__ volatile(\"pause\"); }\n")
        built = subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-o", path, source], stderr=subprocess.DEVNULL)
        self.require(built.returncode == 0, "gcc -m32 does not work")
        try:
            process = subprocess.Popen([path])
        except OSError:
            self.skipTest("the kernel runs no 32-bit programs")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        harness.wait_until(lambda: harness.link_target(f"/proc/{process.pid}/exe") == str(path), "the program runs")
        self.assert_error(EX_UNAVAILABLE, process.pid, "32-bit")

    def test_missing_privileges(self):
        program = self.folder / "kiln"
        shutil.copy(harness.kiln(), program)
        self.folder.chmod(0o755)
        pid = self.start(harness.program("unwind/depth"), 50)
        result = subprocess.run(
            [program, "doctor", "-p", str(pid)], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True
        )
        self.assertEqual(result.returncode, EX_NOPERM, result.stderr)
        self.assertIn(f"process {pid} may not be read: run kiln as root (sudo)", result.stderr)


if __name__ == "__main__":
    unittest.main()
