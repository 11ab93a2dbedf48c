#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pprof_peer.py WRITE_SAMPLES: `go tool pprof` reads kiln's .pb.gz files and sees the same as the folded files say."""
import re
import subprocess
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import peers  # noqa: E402


def pprof(go, *arguments):
    # Without -symbolize=none it looks for the binaries that the samples name.
    return peers.run(go, "tool", "pprof", "-symbolize=none", *arguments)


def samples_of(raw):
    """[(count, nanoseconds)] of the output of -raw."""
    rows = re.findall(r"^ +(-?\d+) +(-?\d+): [\d ]*$", raw, re.MULTILINE)
    return [(int(count), int(time)) for count, time in rows]


def check_example(go, folder):
    top = pprof(go, "-top", folder / "example.pb.gz")
    for expected in (r"File: app", r"Type: cpu", r"Duration: 10s, Total samples = 1010.10ms",
                     r"777.78ms 77.00% +77.00% +777.78ms 77.00% +add\(int\) \(inline\)",
                     r"202.02ms 20.00% .* vfs_read", r" 1010.10ms +100% +main", r"kiln.samples.lost=0"):
        assert re.search(expected, top), f"-top has no {expected!r}:\n{top}"
    raw = pprof(go, "-raw", folder / "example.pb.gz")
    for expected in (r"^samples/count cpu/nanoseconds\[dflt\]$", r"^Period: 10101010$", r"thread.name:\[worker\]",
                     r"process.pid:\[42\]", r"2: 0x2345 M=1 add\(int\) work.h:1:0 s=1\(_Z3addi\)\n +work<int>",
                     r"7: 0x0 \[truncated: bad frame pointer\]",
                     r"^1: 0x1000/0x9000/0x1000 /usr/bin/app 0123456789abcdef \[FN\]\[FL\]\[LN\]\[IN\]$"):
        assert re.search(expected, raw, re.MULTILINE), f"-raw has no {expected!r}:\n{raw}"
    assert sorted(samples_of(raw)) == sorted((n, n * 10101010) for n in (70, 20, 7, 2, 1)), raw


def check_synthetic(go, folder):
    raw = pprof(go, "-raw", folder / "synthetic.pb.gz")
    total = sum(count for count, _ in samples_of(raw))
    expected = sum(peers.folded_counts(folder / "synthetic.folded").values())
    assert total == expected > 0, f"pprof counts {total} samples, the folded file {expected}"
    top = pprof(go, "-top", "-sample_index=samples", folder / "synthetic.pb.gz")
    assert f"Total samples = {total}" in top, top[:500]


def check_mixed(go, folder):
    raw = pprof(go, "-raw", folder / "mixed.pb.gz")
    assert re.search(r"^alloc_objects/count alloc_space/bytes idle/count", raw, re.MULTILINE), raw
    assert re.search(r"^ +1 +64 +0: 1 1 *$", raw, re.MULTILINE), raw


def main():
    go = peers.program("go")
    if subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, check=False).returncode != 0:
        peers.skip("this go has no `go tool pprof`")
    with peers.samples(sys.argv[1]) as folder:
        check_example(go, folder)
        check_synthetic(go, folder)
        check_mixed(go, folder)
        pprof(go, "-raw", folder / "empty.pb.gz")
    print("go tool pprof agrees")


if __name__ == "__main__":
    main()
