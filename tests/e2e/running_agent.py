# SPDX-License-Identifier: Apache-2.0
"""A running `kiln agent` for the tests: its log, its metrics, its reloads."""

import json
import pathlib
import re
import signal
import subprocess
import urllib.request

import harness
import pprof


class Agent:
    """Begins at once; `command` is how kiln itself is called, wrappers included."""

    def __init__(self, folder, config, command=None, overlays=(), **arguments):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "kiln.yaml"
        self.write(config)
        files = [word for path in (self.config, *overlays) for word in ("--config", path)]
        with open(self.folder / "kiln.log", "wb") as log:
            self.process = subprocess.Popen([*(command or [harness.kiln()]), "agent", *files], stdout=log, stderr=log,
                                            cwd=self.folder, **arguments)

    def write(self, config):
        """Configurations are dictionaries, or texts of YAML. Replaces the file at once, as editors and orchestrators do."""
        new = self.config.with_suffix(".new")
        new.write_text(config if isinstance(config, str) else json.dumps(config, indent=1), encoding="utf-8")
        new.rename(self.config)

    def log(self):
        return (self.folder / "kiln.log").read_text(encoding="utf-8", errors="replace")

    def wait_until(self, condition, what):
        def holds():
            return condition() or self.process.poll() is not None

        try:
            harness.wait_until(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error
        if self.process.poll() is not None:
            raise AssertionError(f"kiln agent ended with {self.process.returncode} before {what}\n{self.log()}")

    def wait_started(self):
        self.wait_until(lambda: " started: " in self.log(), "it samples")

    def address(self):
        """Where its pages are now."""
        return re.findall(r"pages=(\S+)", self.log())[-1]

    def get(self, page):
        with urllib.request.urlopen(f"http://{self.address()}{page}", timeout=harness.TIMEOUT_SECONDS) as answer:
            return answer.read().decode()

    def metrics(self):
        """{name with labels: number}."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def reload(self, config):
        """By file and SIGHUP; what the log said of it: the lines since. Waits until it was taken or refused."""
        before = len(self.log())
        self.write(config)
        self.process.send_signal(signal.SIGHUP)
        self.wait_until(lambda: re.search(r"\bconfig\.(reloaded|refused)\b", self.log()[before:]), "the reload")
        return self.log()[before:]

    def stop(self):
        """Asks it to end, upon which it sends what it has."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=harness.TIMEOUT_SECONDS)
        if self.process.returncode != 0:
            raise AssertionError(f"kiln agent ended with {self.process.returncode}\n{self.log()}")


def profiles(folder):
    """What a file exporter with format pprof wrote there, in the order of time."""
    return [pprof.read(path) for path in sorted(pathlib.Path(folder).iterdir())]


def cpu_ns(profiles_, *pids):
    """CPU time that the profiles have of these processes; each tells its own period."""
    return sum(profile.of_process(*pids).count() * profile.period for profile in profiles_)
