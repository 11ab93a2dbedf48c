# SPDX-License-Identifier: Apache-2.0
"""What the peer checks share: other people's programs and packages, installed under build/peers and nowhere else.

A check whose peer is not to be had ends with exit status 77 (ctest shows it as skipped) and says why. Where CI=true that
is a failure: there everything must be installed.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "build" / "peers"

# One set for all checks. opentelemetry-proto is the first version with the OTLP 1.10 layout (Sample.values = 4) that was
# tried; newer layouts may differ. grpcio is a client that shares no code with kiln's, h2 makes servers that misbehave.
PYTHON_PACKAGES = ("opentelemetry-proto==1.45.2", "grpcio==1.85.1", "h2==4.4.1", "googleapis-common-protos==1.76.0")


def skip(reason):
    """Ends the check because its peer is missing."""
    if os.environ.get("CI") == "true":
        sys.exit(f"FAILED: {reason} (in CI every peer must be there)")
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def program(*names):
    """The path of the first of these programs that exists."""
    for name in names:
        if found := shutil.which(name):
            return found
    return skip(f"there is no {' or '.join(names)} on this machine")


@contextlib.contextmanager
def locked(folder):
    """Only one process at a time installs into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command, **options):
    """Runs a command that must succeed; its standard output as text."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


def install(*command, environment=None):
    """Runs an installer, with more in its environment; its output. Whatever stops it (no network, most often) skips the
    check."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                            env={**os.environ, **(environment or {})})
    if result.returncode != 0:
        skip(f"{' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def python():
    """A python3 that has PYTHON_PACKAGES."""
    folder = PEERS / "python"
    with locked(folder):
        path = folder / "venv" / "bin" / "python3"
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != " ".join(PYTHON_PACKAGES):
            install(sys.executable, "-m", "venv", "--clear", folder / "venv")
            install(path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON_PACKAGES)
            stamp.write_text(" ".join(PYTHON_PACKAGES), encoding="utf-8")
    return path


def need_python():
    """Starts the running program again with python() unless it runs there. For the head of a script or test module."""
    if pathlib.Path(sys.prefix) != PEERS / "python" / "venv":
        path = str(python())
        os.execv(path, [path, *sys.orig_argv[1:]])


def node_modules(*packages):
    """A folder in which these npm packages are installed; no install scripts run."""
    folder = PEERS / "node"
    npm = program("npm")
    with locked(folder):
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != " ".join(packages):
            install(npm, "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", *packages)
            stamp.write_text(" ".join(packages), encoding="utf-8")
    return folder / "node_modules"


def free_ports(count):
    """Ports of 127.0.0.1 that were free just now, for programs that can't be asked which one they took."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(condition, what, seconds=60, process=None):
    """Polls until condition() is true and returns it; fails after `seconds`, or when `process` (Popen) has ended."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if process and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def samples(write_samples):
    """A temporary folder with the files of the program write_samples."""
    with tempfile.TemporaryDirectory(prefix="kiln-formats-") as folder:
        run(write_samples, folder)
        yield pathlib.Path(folder)


def folded_counts(path):
    """{stack: count} of a folded file."""
    counts = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        stack, count = line.rsplit(" ", 1)
        counts[stack] = int(count)
    return counts
