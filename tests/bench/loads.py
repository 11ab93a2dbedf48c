# SPDX-License-Identifier: Apache-2.0
"""What the host is busy with while scripts/bench measures. Each case is a list of command lines that run until killed."""

import dataclasses
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FRAMES = 36  # below main
COLD_MEGABYTES = 128  # far above the second-level caches, two of them above most third-level ones

PYTHON_LOAD = HERE.parent / "programs" / "busy.py"


def _for_ever(command):
    return ["/bin/sh", "-c", f"while :; do {command} || exit 1; done"]


def start(command, nice, **arguments):
    """A process in a session of its own, so that its children can be ended with it, at this niceness.

    Where the scheduler groups processes by session, niceness counts inside the group only and the group has its own.
    """
    process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **arguments)
    if nice:
        os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        try:
            pathlib.Path(f"/proc/{process.pid}/autogroup").write_text(str(nice))
        except (FileNotFoundError, PermissionError, BlockingIOError):
            pass  # no such groups, or the kernel takes no more changes just now
    return process


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    description: str
    # (programs' folder, working folder) -> command lines, or None if this machine lacks what it takes.
    commands: callable
    comms: tuple = ()  # names of the processes that are the load; empty = everything that runs


def _deep_stack(*arguments):
    def commands(programs, work):
        return [[str(programs / "bench/deep_stack"), str(work / f"pace{i}"), str(FRAMES), *arguments]
                for i in range(os.cpu_count())]

    return commands


def compiler():
    return shutil.which("clang++-16") or shutil.which("clang++")


def _compilation(work, i):
    return _for_ever(f"{compiler()} -std=c++17 -O2 -c {HERE / 'compile_me.cc'} -o {work / f'object{i}.o'}")


def _clang(programs, work):
    return [_compilation(work, i) for i in range(os.cpu_count())] if compiler() else None


def _mixed(programs, work):
    reader = f"cat {programs.parent / 'kiln'} | gzip -1 >/dev/null; find /usr/include -type f >/dev/null"
    commands = [[sys.executable, str(PYTHON_LOAD)], [str(programs / "programs/demo"), "3600"], _for_ever(reader),
                _for_ever(f"{programs / 'programs/short_lived'} 20 exec >/dev/null")]
    return commands + ([_compilation(work, 0)] if compiler() else [])


def _storm(programs, work):
    return [_for_ever(f"{programs / 'programs/short_lived'} 1000 exec >/dev/null")]


CASES = {case.name: case for case in (
    Case("hot", f"a native stack {FRAMES} deep without frame pointers, computing in registers, one process per CPU",
         _deep_stack(), ("deep_stack",)),
    Case("cold", f"the same stack over {COLD_MEGABYTES} MiB of memory read at random, one process per CPU",
         _deep_stack(str(COLD_MEGABYTES)), ("deep_stack",)),
    Case("clang", "clang compiling C++, one per CPU", _clang, ("clang", "clang++", "clang-16", "clang++-16")),
    Case("mixed", "python, C++, clang, gzip, find and short processes together", _mixed),
    Case("storm", "processes that live for 5 to 10 ms of CPU time, two at a time", _storm, ("short_lived", "exe")),
)}


class Load:
    """A running case. Use as a context; what it started is gone at the end."""

    def __init__(self, case, programs, work, nice):
        self._commands = case.commands(programs, work)
        self._work = work
        self._nice = nice
        self._processes = []

    @property
    def possible(self):
        return self._commands is not None

    def __enter__(self):
        for command in self._commands:
            self._processes.append(start(command, self._nice, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         cwd=self._work))
        time.sleep(0.7)  # past its start-up
        self.check()
        return self

    def __exit__(self, *_):
        for process in self._processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def check(self):
        """Raises RuntimeError if a part of the load has ended."""
        for process, command in zip(self._processes, self._commands):
            if process.poll() is not None:
                raise RuntimeError(f"the load ended with status {process.returncode}: {' '.join(command)}")

    def pids(self):
        """Those that were started and what of theirs runs now: each was given a session of its own."""
        sessions = {process.pid for process in self._processes}
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) in sessions and fields[0] not in "ZX":
                found.append(int(stat.parent.name))
        return found

    def progress(self):
        """(work done, CPU seconds used) so far, or None for loads that do not count their work."""
        work = cpu_ns = 0
        for i, process in enumerate(self._processes):
            file = self._work / f"pace{i}"
            if not file.exists():
                return None
            work += struct.unpack("<Q", file.read_bytes()[:8])[0]
            cpu_ns += int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
        return work, cpu_ns / 1e9
