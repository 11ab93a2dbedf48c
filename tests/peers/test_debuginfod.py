# SPDX-License-Identifier: Apache-2.0
"""The real debuginfod server, on loopback, hands out the debug file of a program by its build id."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import peers

SERVER = peers.program("debuginfod")
COMPILER = peers.program("g++", "c++")
OBJCOPY = peers.program("objcopy")
READELF = peers.program("readelf")
STRIP = peers.program("strip")
GO = peers.program("go")
ASK = os.environ["KILN_ASK_DEBUGINFOD"]
KILN = os.environ["KILN"]
UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


def answers(url):
    """Whether the server is there at all: by whatever answer."""
    try:
        urllib.request.urlopen(url + "/metrics", timeout=5).read()
    except (urllib.error.URLError, OSError):
        return False
    return True


class DebuginfodTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kiln-debuginfod-")))
        self.files = self.folder / "files"
        self.files.mkdir()

    def make_program(self, text="int main() { return 0; }\n"):
        """The build id of a program whose debug file is in the server's folder."""
        source, program = self.folder / "main.cc", self.folder / "program"
        source.write_text(text, encoding="utf-8")
        peers.run(COMPILER, "-O1", "-g", "-Wl,--build-id=sha1", "-o", program, source)
        self.debug = self.files / "program.debug"
        peers.run(OBJCOPY, "--only-keep-debug", program, self.debug)
        return re.search(r"Build ID: ([0-9a-f]+)", peers.run(READELF, "-n", program))[1]

    def start(self):
        (port,) = peers.free_ports(1)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DEBUGINFOD_")}
        log = open(self.folder / "log", "w", encoding="utf-8")
        self.addCleanup(log.close)
        server = subprocess.Popen([SERVER, "-v", "-F", "-p", str(port), "-d", str(self.folder / "index.sqlite"),
                                   "-t", "0", str(self.files)], stdout=log, stderr=log,
                                  env={**environment, "HOME": str(self.folder)})
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        url = f"http://127.0.0.1:{port}"
        peers.wait_until(lambda: answers(url), "debuginfod answers", process=server)
        return url, server

    def indexed(self, url):
        text = urllib.request.urlopen(url + "/metrics", timeout=5).read().decode()
        found = re.search(r'^groom\{statistic="file d/e"\} (\d+)', text, re.M)
        scanned = re.search(r'^thread_work_total\{role="traverse"\} (\d+)', text, re.M)
        return (found and int(found[1]) > 0) or (scanned and int(scanned[1]) > 0 and
                                                 'thread_work_pending{role="scan"} 0' in text)

    def ask(self, url, *build_ids):
        lines = peers.run(ASK, url, self.folder / "cache", *build_ids).splitlines()
        return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}

    def test_finds_a_debug_file(self):
        build_id = self.make_program()
        url, server = self.start()
        peers.wait_until(lambda: self.indexed(url), "debuginfod has indexed its folder", process=server)
        found = self.ask(url, build_id, UNKNOWN)
        self.assertEqual(found[build_id][0], "found", (self.folder / "log").read_text(encoding="utf-8"))
        self.assertEqual(pathlib.Path(found[build_id][1]).read_bytes(), self.debug.read_bytes())
        self.assertEqual(found[UNKNOWN], ["no debuginfod server has it", ""])
        # From the cache, without a server.
        server.terminate()
        server.wait()
        self.assertEqual(self.ask(url, build_id)[build_id], found[build_id])

    def test_recording_of_a_stripped_program(self):
        """Its functions, files and lines come from the server, which is asked by whoever wants it to be."""
        self.make_program("""double burn(long n) {
  volatile double sum = 0;
  for (long i = 0; i < n; ++i) sum = sum + i / 3.0;
  return sum;
}
int main() { return burn(200000000) < 0; }
""")
        peers.run(STRIP, self.folder / "program")
        url, server = self.start()
        peers.wait_until(lambda: self.indexed(url), "debuginfod has indexed its folder", process=server)
        environment = {**os.environ, "DEBUGINFOD_URLS": url}
        frames = {}
        for option in ("-F997", "--debuginfod"):
            profile = self.folder / f"out{option}.pb.gz"
            peers.run(KILN, "record", option, "--debug-info-cache", self.folder / "lines", "-o", profile, "--",
                      self.folder / "program", env=environment)
            frames[option] = peers.run(GO, "tool", "pprof", "-raw", profile)
        self.assertNotIn("burn", frames["-F997"])
        self.assertRegex(frames["--debuginfod"], r"burn\(long\) \S*/main\.cc:3")

    def test_server_that_is_gone(self):
        (port,) = peers.free_ports(1)
        self.assertEqual(self.ask(f"http://127.0.0.1:{port}", UNKNOWN)[UNKNOWN],
                         ["no debuginfod server could be asked", ""])


if __name__ == "__main__":
    unittest.main()
