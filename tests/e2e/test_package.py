# SPDX-License-Identifier: Apache-2.0
"""The Debian package: built, unpacked and looked at; installed, upgraded, removed and purged on a throw-away copy of this
system (an overlay in a mount namespace of its own).

KILN_BUILD is the build folder. Nothing is left outside of the test's folder.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import unittest

import harness
import running_agent

SOURCE = pathlib.Path(__file__).parents[2]
FILES = {
    "etc/default/kiln-agent": 0o640,
    "etc/kiln/agent.yaml": 0o644,
    "usr/bin/kiln": 0o755,
    "usr/lib/systemd/system/kiln-agent.service": 0o644,
    "usr/share/bash-completion/completions/kiln": 0o644,
    "usr/share/doc/kiln/README.md": 0o644,
    "usr/share/doc/kiln/agent-configuration.md": 0o644,
    "usr/share/doc/kiln/changelog.gz": 0o644,
    "usr/share/doc/kiln/copyright": 0o644,
    "usr/share/doc/kiln/metrics.md": 0o644,
    "usr/share/doc/kiln/resource-attributes.md": 0o644,
    "usr/share/fish/vendor_completions.d/kiln.fish": 0o644,
    "usr/share/lintian/overrides/kiln": 0o644,
    "usr/share/man/man1/kiln.1.gz": 0o644,
    "usr/share/zsh/vendor-completions/_kiln": 0o644,
}


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, text=True, capture_output=True, timeout=300, **more)


class PackageTest(harness.KilnTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.built = pathlib.Path(os.environ["KILN_BUILD"]) / "package_test"
        shutil.rmtree(cls.built, ignore_errors=True)
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        run("cpack", "-G", "DEB", "--config", pathlib.Path(os.environ["KILN_BUILD"]) / "CPackConfig.cmake", "-B", cls.built)
        (cls.package,) = cls.built.glob("kiln_*.deb")
        cls.tree = cls.built / "tree"
        run("dpkg", "-x", cls.package, cls.tree)
        cls.unit = cls.tree / "usr/lib/systemd/system/kiln-agent.service"


class ContentsTest(PackageTest):
    def test_files_and_modes(self):
        found = {str(path.relative_to(self.tree)): path for path in self.tree.rglob("*") if not path.is_dir()}
        self.assertEqual({name: stat.S_IMODE(path.lstat().st_mode) for name, path in found.items()}, FILES)
        for path in self.tree.rglob("*"):
            self.assertEqual((path.lstat().st_uid, path.lstat().st_gid), (0, 0), path)
            if path.is_dir():
                self.assertEqual(stat.S_IMODE(path.lstat().st_mode), 0o755, path)

    def test_control(self):
        fields = run("dpkg-deb", "--field", self.package).stdout
        self.assertRegex(fields, r"(?m)^Package: kiln$")
        for library in ("libc6", "libbpf1", "libstdc++6"):
            self.assertRegex(fields, rf"(?m)^Depends:.*\b{re.escape(library)} \(>= ")
        self.assertEqual(
            run("dpkg-deb", "--info", self.package, "conffiles").stdout.split(),
            ["/etc/default/kiln-agent", "/etc/kiln/agent.yaml"])
        for script in ("postinst", "prerm", "postrm"):
            text = run("dpkg-deb", "--info", self.package, script).stdout
            self.assertTrue(text.startswith("#!/bin/sh\n"), script)
            run("sh", "-n", input=text)

    def test_program_runs_and_the_texts_are_its_own(self):
        program = self.tree / "usr/bin/kiln"
        version = run(program, "version").stdout.split()[1]
        self.assertIn(f"Version: {version}\n", run("dpkg-deb", "--field", self.package).stdout)
        self.assertNotIn(".symtab", run("readelf", "-SW", program).stdout, "the program is stripped")
        manual = gzip.decompress((self.tree / "usr/share/man/man1/kiln.1.gz").read_bytes()).decode()
        self.assertEqual(manual, run(program, "man").stdout)
        run("bash", "-n", self.tree / "usr/share/bash-completion/completions/kiln")
        changelog = gzip.decompress((self.tree / "usr/share/doc/kiln/changelog.gz").read_bytes()).decode()
        self.assertTrue(changelog.startswith(f"kiln ({version}) unstable;"), changelog)
        self.assertRegex(changelog, r"\n -- .*>  \w{3}, \d+ \w{3} \d{4} ")

    def test_lintian_has_nothing_to_say(self):
        if not shutil.which("lintian"):
            return  # an extra where it is installed: it needs half of Perl
        found = subprocess.run(["lintian", "--allow-root", self.package], text=True, capture_output=True, timeout=300)
        self.assertEqual(found.stdout, "")


class UnitTest(PackageTest):
    def test_systemd_takes_the_unit(self):
        """It takes any unit; what it does not know, or can't find, it says."""
        unit = self.folder / "kiln-agent.service"
        unit.write_text(self.unit.read_text().replace("/usr/bin/kiln", str(self.tree / "usr/bin/kiln")))
        checked = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True, capture_output=True, timeout=60)
        ours = [line for line in checked.stderr.splitlines() if "kiln-agent.service" in line]
        self.assertEqual((checked.returncode, ours), (0, []))

    def test_unit_is_hardened(self):
        """systemd's own measure, from 0 (nothing to be had) to 10; more than half of ours is the eight capabilities."""
        checked = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=35", self.unit],
            text=True, capture_output=True, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def allowed_system_calls(self):
        allowed = set(self.group("@default"))
        for line in self.unit.read_text().splitlines():
            if not line.startswith("SystemCallFilter="):
                continue
            words = line.split("=", 1)[1]
            calls = {call for word in words.lstrip("~").split() for call in self.group(word)}
            allowed = allowed - calls if words.startswith("~") else allowed | calls
        return allowed

    def group(self, word):
        """The system calls that a word of a filter stands for."""
        if not word.startswith("@"):
            return {word}
        calls = set()
        for line in run("systemd-analyze", "--no-pager", "syscall-filter", word).stdout.splitlines()[1:]:
            name = line.strip()
            if name and not name.startswith("#"):
                calls |= self.group(name)
        return calls

    def test_filter_lets_a_recording_pass(self):
        load = self.load("deleted", 60)
        trace = self.folder / "trace"
        run("strace", "-f", "-qq", "-o", trace, self.tree / "usr/bin/kiln", "record", "-d", "1s", "-p", load.pid, "-o",
            self.folder / "out.pb.gz")
        self.assert_within_the_filter(trace.read_text())

    def test_filter_lets_the_agent_pass(self):
        """With the configuration of the package, but for where the queue is and who listens; through a reload."""
        self.load("deleted", 60)
        trace, mine = self.folder / "trace", self.folder / "mine.yaml"
        mine.write_text(json.dumps({"extensions": {"file_storage": {"directory": str(self.folder / "queue")}},
                                    "receivers": {"profiling": {"window": "1s"}},
                                    "service": {"telemetry": {"metrics": {"address": "127.0.0.1:0"}}}}))
        packaged = self.tree / "etc/kiln/agent.yaml"
        run(self.tree / "usr/bin/kiln", "agent", "--config", packaged, "--validate")
        agent = running_agent.Agent(
            self.folder, packaged.read_text(), overlays=[mine],
            command=["strace", "-f", "-qq", "-o", trace, self.tree / "usr/bin/kiln"],
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "NOTIFY_SOCKET": "@nobody"})
        self.addCleanup(agent.process.wait)
        self.addCleanup(agent.process.kill)
        agent.wait_started()
        agent.wait_until(lambda: "Failed to connect" in agent.log(), "it tries to send")
        agent.get("/metrics")
        agent.write(packaged.read_text().replace("frequency: 19", "frequency: 29"))
        agent.wait_until(lambda: "config.reloaded" in agent.log(), "the reload")
        (kiln,) = harness.children(agent.process.pid)
        os.kill(kiln, signal.SIGTERM)
        self.assertEqual(agent.process.wait(harness.TIMEOUT_SECONDS), 0, agent.log())
        self.assert_within_the_filter(trace.read_text())

    def assert_within_the_filter(self, trace):
        used = set(re.findall(r"(?m)^\d+ +([a-z_0-9]+)\(", trace))
        self.assertIn("bpf", used)
        self.assertIn("perf_event_open", used)
        self.assertEqual(used - self.allowed_system_calls(), set())
        # No memory that is writable and executable, which MemoryDenyWriteExecute=yes would refuse.
        self.assertNotRegex(trace, r"PROT_WRITE\|PROT_EXEC|mprotect\([^)]*PROT_EXEC")
        families = set(re.findall(r"\bsocket\((AF_\w+)", trace))
        allowed = re.search(r"(?m)^RestrictAddressFamilies=(.*)$", self.unit.read_text()).group(1).split()
        self.assertLessEqual(families, set(allowed))


SCRIPT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$2" "$1/root/tmp/kiln.deb"
exec chroot "$1/root" sh -ec '
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
  dpkg --install /tmp/kiln.deb
  kiln version
  test "$(stat -c %a:%U:%G /etc/default/kiln-agent)" = 640:root:root
  test ! -e /etc/systemd/system/multi-user.target.wants/kiln-agent.service
  echo "# mine" >>/etc/kiln/agent.yaml
  systemctl enable kiln-agent.service
  test -L /etc/systemd/system/multi-user.target.wants/kiln-agent.service
  echo == upgrade
  dpkg --force-confold --install /tmp/kiln.deb
  tail -n 1 /etc/kiln/agent.yaml
  test -L /etc/systemd/system/multi-user.target.wants/kiln-agent.service
  echo == remove
  dpkg --remove kiln
  test -f /etc/kiln/agent.yaml
  test ! -e /usr/bin/kiln
  echo == purge
  mkdir -p /var/lib/private/kiln-agent/queue
  dpkg --purge kiln
  test ! -e /etc/kiln
  test ! -e /etc/default/kiln-agent
  test ! -e /var/lib/private/kiln-agent
  test ! -L /etc/systemd/system/multi-user.target.wants/kiln-agent.service
  test ! -L /etc/systemd/system/kiln-agent.service
  echo == gone
'
"""


class InstallationTest(PackageTest):
    def test_install_upgrade_remove_purge(self):
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", SCRIPT, "bash", self.folder, self.package],
            text=True, capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        installed, upgraded = done.stdout.split("== upgrade")
        self.assertIn("systemctl enable --now kiln-agent", installed)
        self.assertNotIn("enable --now", upgraded)
        self.assertIn("# mine", upgraded)
        self.assertTrue(upgraded.rstrip().endswith("== gone"))


if __name__ == "__main__":
    unittest.main()
