# SPDX-License-Identifier: Apache-2.0
"""An OpenTelemetry Collector (collector/main.go) on 127.0.0.1 that receives OTLP and writes what it got to files.

It is built once for each state of collector/ and kept in build/peers/collector.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import urllib.request

import peers

START_SECONDS = 60
TOKEN = "s3cret-of-the-test"


def program():
    """The path of the Collector, built if need be."""
    source = peers.HERE / "collector"
    content = b"".join((source / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    folder = peers.PEERS / "collector"
    path = folder / f"collector-{hashlib.sha256(content).hexdigest()[:16]}"
    go = path if path.exists() else peers.program("go")
    with peers.locked(folder):
        if not path.exists():
            version = peers.run(go, "env", "GOVERSION").strip()
            if (found := re.match(r"go(\d+)\.(\d+)", version)) and (int(found[1]), int(found[2])) < (1, 26):
                peers.skip(f"the Collector's modules need Go 1.26, this is {version}")
            building = folder / "building"
            peers.install(go, "build", "-C", source, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", building, ".",
                          environment={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
            for old in folder.glob("collector-*"):
                old.unlink()
            building.rename(path)
    return path


class Collector:
    """A running one, for OTLP/gRPC at grpc_endpoint and OTLP/HTTP at http_endpoint; what came by either way goes to
    outputs["grpc"] and outputs["http"].

    security: "plain", "tls", "mtls" (client certificate, TLS 1.3 or newer), "bearer" (over TLS)."""

    def __init__(self, folder, security="plain", certificates=None):
        self.folder = pathlib.Path(folder)
        self.security = security
        self.certificates = certificates
        grpc, http, health = peers.free_ports(3)
        scheme = "http" if security == "plain" else "https"
        self.grpc_endpoint, self.http_endpoint = f"127.0.0.1:{grpc}", f"{scheme}://127.0.0.1:{http}"
        self.health = f"http://127.0.0.1:{health}/"
        self.outputs = {way: self.folder / f"{security}-{way}.proto" for way in ("grpc", "http")}
        config = self.folder / f"{security}.yaml"
        config.write_text(json.dumps(self.config(grpc, http, health), indent=1), encoding="utf-8")  # JSON is YAML
        with open(self.folder / f"{security}.log", "wb") as log:
            self.process = subprocess.Popen([program(), "--feature-gates=service.profilesSupport", f"--config={config}"],
                                            stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "2"})
        try:
            peers.wait_until(self.is_ready, f"the Collector is ready\n{self.log()}", START_SECONDS, self.process)
        except BaseException as error:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{error}\n{self.log()}") from error

    def config(self, grpc, http, health):
        server = {}
        if self.security != "plain":
            server["tls"] = {"cert_file": self.certificates.server, "key_file": self.certificates.server_key}
        if self.security == "mtls":
            server["tls"].update(client_ca_file=self.certificates.ca, min_version="1.3")
        if self.security == "bearer":
            server["auth"] = {"authenticator": "bearertokenauth"}
        ports = {"grpc": grpc, "http": http}
        return {
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"},
                           "bearertokenauth": {"scheme": "Bearer", "token": TOKEN}},
            "receivers": {f"otlp/{way}": {"protocols": {way: {"endpoint": f"127.0.0.1:{port}", **server}}}
                          for way, port in ports.items()},
            "exporters": {f"file/{way}": {"path": str(path), "format": "proto", "flush_interval": "100ms"}
                          for way, path in self.outputs.items()},
            "service": {
                "extensions": ["health_check", "bearertokenauth"],
                "pipelines": {f"profiles/{way}": {"receivers": [f"otlp/{way}"], "exporters": [f"file/{way}"]}
                              for way in ports},
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "info"}}}}

    def is_ready(self):
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(self.health, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def log(self):
        return (self.folder / f"{self.security}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Ends it in order, after which the output is complete."""
        self.process.terminate()
        try:
            self.process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        if self.process.returncode != 0:
            raise AssertionError(f"the Collector ended with {self.process.returncode}\n{self.log()}")


@contextlib.contextmanager
def running(folder, security="plain", certificates=None):
    collector = Collector(folder, security, certificates)
    try:
        yield collector
    finally:
        if collector.process.poll() is None:
            collector.process.kill()
            collector.process.wait()
