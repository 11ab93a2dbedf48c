# SPDX-License-Identifier: Apache-2.0
"""Queries a Pyroscope server or the stand-in, and starts a real one where KILN_PYROSCOPE names it."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

import peers
import replay

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
START_SECONDS = 120


class Pyroscope:
    """One server by its base URL."""

    def __init__(self, url, tenant=""):
        self.url, self.headers = url, {"X_Scope_OrgID": tenant} if tenant else {}

    def call(self, method, accept="*/*", **fields):
        """(status, answer); the last hour and the next ten minutes unless `fields` have start and end."""
        now = int(time.time() * 1000)
        status, _, body = replay.http(
            f"{self.url}/querier.v1.QuerierService/{method}",
            json.dumps({"start": now - 3_600_000, "end": now + 600_000, **fields}).encode(), "application/json",
            Accept=accept, **self.headers)
        return status, json.loads(body) if body.startswith(b"{") else body.decode()

    def ask(self, method, **fields):
        status, answer = self.call(method, **fields)
        if status != 200:
            raise AssertionError(f"{method} {fields}: {status} {answer}")
        return answer

    def types(self):
        return {one["ID"] for one in self.ask("ProfileTypes").get("profileTypes", [])}

    def label_values(self, name, selector="{}"):
        return set(self.ask("LabelValues", name=name, matchers=[selector]).get("names", []))

    def stacks(self, selector, type_id=CPU, **fields):
        """{"root;…;leaf": value of that very stack} of the flame graph, and its total."""
        graph = self.ask("SelectMergeStacktraces", profileTypeID=type_id, labelSelector=selector, **fields)["flamegraph"]
        names, above, stacks = graph["names"], [(0, float("inf"), "")], {}
        for depth, level in enumerate(graph["levels"]):
            values, at, here = list(map(int, level.get("values", []))), 0, []
            for offset, total, own, name in zip(*(values[i::4] for i in range(4))):
                at += offset
                path = "" if depth == 0 else next(p for start, end, p in above if start <= at < end)
                path = f"{path};{names[name]}".strip(";") if depth else ""
                if own and depth:
                    stacks[path] = stacks.get(path, 0) + own
                here.append((at, at + total, path))
                at += total
            above = here
        return stacks, int(graph.get("total", 0))

    def ready(self):
        try:
            status, _, body = replay.http(f"{self.url}/ready", None, "text/plain")
        except OSError:
            return False
        return status == 200 and body.strip() == b"ready"


def named():
    """The real server that tests are to use too: the URL of one that runs, or a binary. "" if there is none."""
    return os.environ.get("KILN_PYROSCOPE", "")


@contextlib.contextmanager
def real_server():
    """The Pyroscope that KILN_PYROSCOPE names, started if it is a binary."""
    server = named()
    if "://" in server:
        yield Pyroscope(server.rstrip("/"))
        return
    with tempfile.TemporaryDirectory(prefix="kiln-pyroscope-") as folder:
        ports = peers.free_ports(4)
        with open(pathlib.Path(folder) / "log", "wb") as log:
            process = subprocess.Popen([server, *flags(folder, *ports)], stdout=log, stderr=log, cwd=folder)
        try:
            real = Pyroscope(f"http://127.0.0.1:{ports[0]}")
            peers.wait_until(real.ready, f"{server} is ready (KILN_PYROSCOPE)", START_SECONDS, process)
            yield real
        finally:
            process.kill()
            process.wait()


def flags(folder, http, grpc, memberlist, raft):
    """All in one process, everything on loopback, nothing reaches out."""
    here = ("compactor.ring", "distributor.ring", "overrides-exporter.ring", "query-frontend", "query-scheduler.ring",
            "store-gateway.sharding-ring")
    return ["-target=all", "-architecture.storage=v2", "-server.http-listen-address=127.0.0.1",
            f"-server.http-listen-port={http}", "-server.grpc-listen-address=127.0.0.1", f"-server.grpc-listen-port={grpc}",
            "-memberlist.bind-addr=127.0.0.1", "-memberlist.advertise-addr=127.0.0.1", f"-memberlist.bind-port={memberlist}",
            f"-metastore.raft.bind-address=127.0.0.1:{raft}", f"-metastore.raft.advertise-address=127.0.0.1:{raft}",
            f"-metastore.address=127.0.0.1:{grpc}", f"-query-backend.address=127.0.0.1:{grpc}",
            *(f"-{name}.instance-addr=127.0.0.1" for name in here),
            "-ingester.lifecycler.addr=127.0.0.1", "-segment-writer.lifecycler.addr=127.0.0.1",
            f"-storage.filesystem.dir={folder}/data", f"-metastore.data-dir={folder}/meta",
            f"-metastore.raft.dir={folder}/raft", f"-metastore.raft.snapshots-dir={folder}/snapshots",
            "-self-profiling.disable-push=true", "-usage-stats.enabled=false", "-tracing.enabled=false",
            "-metastore.min-ready-duration=0s", "-segment-writer.min-ready-duration=0s"]
