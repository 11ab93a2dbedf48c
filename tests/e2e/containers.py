# SPDX-License-Identifier: Apache-2.0
"""A host as a node of a cluster is: processes of many kinds, each group in a control group that is named as Kubernetes and
containerd name them, with program files of its own, as each container image has."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import harness

PYTHON = pathlib.Path(__file__).parents[1] / "programs" / "busy.py"
PERL = "while (1) { my %h; $h{$_ % 97} .= $_ for 1..2000; join ',', sort keys %h }"
SHELL = "while :; do /usr/bin/find /usr/include/linux >/dev/null; /bin/gzip -c </bin/bash >/dev/null; done"


def _copy(program, folder):
    """A file of its own for a container: unwind tables and names are by file."""
    target = folder / pathlib.Path(program).name
    if not target.exists():
        shutil.copy2(program, target)
    return str(target)


def _kinds(folder):
    """Endless programs of one container."""
    return [[sys.executable, str(PYTHON)],
            [_copy(harness.program("shares"), folder), "1000000"],
            ["/usr/bin/perl", "-e", PERL],
            [_copy("/bin/bash", folder), "-c", SHELL]]


def _cgroup2():
    """Where control groups of version 2 are mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    raise RuntimeError("no cgroup2 is mounted")


class Containers:
    """So many processes, dealt out over so many containers; less important than all else. Use as a context. `folder` is
    for their program files. `ids`: of the containers."""

    def __init__(self, folder, containers=50, processes=200):
        self._folder, self._count = folder, processes
        self.ids = [hashlib.sha256(f"{folder} {i}".encode()).hexdigest() for i in range(containers)]
        self._root = _cgroup2() / f"kubepods-test{os.getpid()}.slice"
        self._processes = []

    def _group(self, identity):
        """Its folder. Pods of one container each."""
        pod = "_".join((identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:32]))
        return self._root / f"kubepods-pod{pod}.slice" / f"cri-containerd-{identity}.scope"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        for i, identity in enumerate(self.ids):
            self._group(identity).mkdir(parents=True)
            folder = self._folder / f"container{i}"
            folder.mkdir()
            kinds = _kinds(folder)
            for n in range(len(range(i, self._count, len(self.ids)))):
                # In the group from its first instruction on.
                self._processes.append(subprocess.Popen(
                    ["nice", "-n", "19", "/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', self._group(identity),
                     *kinds[n % len(kinds)]],
                    env={**os.environ, "OTEL_SERVICE_NAME": f"service-{i}"}, cwd=folder, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def __exit__(self, *_):
        groups = [group for group in map(self._group, self.ids) if group.exists()]
        for group in groups:
            (group / "cgroup.kill").write_text("1")  # since Linux 5.14
        for process in self._processes:
            process.wait()
        for group in groups:
            harness.wait_until(lambda: "populated 0" in (group / "cgroup.events").read_text(), f"{group} is empty")
            group.rmdir()
            group.parent.rmdir()
        self._root.rmdir()

    def check(self):
        for process in self._processes:
            if process.poll() is not None:
                raise RuntimeError(f"a container's process ended with {process.returncode}: {process.args}")
