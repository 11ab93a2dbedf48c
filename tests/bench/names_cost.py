# SPDX-License-Identifier: Apache-2.0
"""What naming addresses costs, kiln beside addr2line, llvm-symbolizer and bcc: see scripts/bench --names.

All are given the same N addresses. A program is given them once, then some times more: the difference is what an address
costs once the program runs and has read what it needs first. Time is that of the processor; the least of some rounds
counts, since other work on the machine only adds."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "names"))
import bcc_compare  # noqa: E402
import binaries  # noqa: E402
import oracles  # noqa: E402

BUDGETS = "budgets: warm <= 500 ns, addr2line >= 20 x, llvm-symbolizer >= 50 x, index <= 20 ms per MB of debug information"

ADDRESSES = 5000
MANY = 200000  # the whole file, more than caches of the processor hold


@dataclasses.dataclass
class Subject:
    name: str
    exe: str
    addr2line_addresses: int  # it takes long
    root: str = ""  # where the debug file of exe is found
    debug: str = ""
    runs: bool = False  # as `exe symbolize -e exe`, which reads addresses


def debug_bytes(file):
    """Of all sections of debug information, as they are in memory."""
    out = subprocess.run(["readelf", "-SWt", file], capture_output=True, text=True).stdout
    sizes, name = {}, ""
    for line in out.splitlines():
        words = line.split()
        if line.startswith("  ["):
            name = line.split("]", 1)[1].strip()
        elif name.startswith((".debug_", ".zdebug_")) and words:
            if words[0] == "PROGBITS":
                sizes[name] = int(words[3], 16)
            elif words[0] in ("ZLIB,", "ZSTD,"):
                sizes[name] = int(words[1].rstrip(","), 16)
    return sum(sizes.values())


def seconds(command, addresses):
    """Processor time of one run."""
    with tempfile.TemporaryFile() as text:
        text.write("".join(f"{address:#x}\n" for address in addresses).encode())
        text.seek(0)
        process = subprocess.Popen(command, stdin=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def per_address(command, addresses, repeats, rounds):
    """(ns per address, s of a start with all addresses)."""
    once, again = [], []
    for _ in range(rounds):
        once.append(seconds(command, addresses))
        again.append(seconds(command, addresses * (1 + repeats)))
    spent = min(again) - min(once)
    return max(spent, 0) * 1e9 / (len(addresses) * repeats), min(once)


def bcc_per_address(work, exe, addresses):
    """ns per address of bcc's symbol cache, warm, in a process that runs `exe` and waits for its input. Names of symbols
    alone: bcc knows neither inlined functions nor lines."""
    program = bcc_compare.build_bcc(work)
    process = subprocess.Popen([exe, "symbolize", "-e", exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        process.stdin.write("0\n")
        process.stdin.flush()
        process.stdout.readline()  # it runs
        with open(f"/proc/{process.pid}/maps") as maps:
            start = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(exe))
        return float(bcc_compare.run([program, "--loop", str(process.pid)], [start + address for address in addresses]))
    finally:
        process.stdin.close()
        process.stdout.read()
        process.wait()


def of_library(options, subject, addresses):
    lookup = os.path.join(options.build, "tests/bench/name_lookup")
    text = "".join(f"{address:#x}\n" for address in addresses)
    command = [lookup, subject.exe, *([subject.root] if subject.root else [])]
    return json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)


def measure(options, subject):
    many = oracles.random_addresses(subject.exe, MANY, "kiln")
    addresses = many[:ADDRESSES]
    library, of_many = of_library(options, subject, addresses), of_library(options, subject, many)
    debug = subject.debug or subject.exe
    size = debug_bytes(debug) / 1e6
    result = {"name": subject.name, "debug_mb": size, "library": library, "library_many": of_many, "index_ms_per_mb": library["open_ms"] / max(size, 1e-9), "programs": {}}
    inside = ["--root", subject.root, "-e", "/" + os.path.relpath(subject.exe, subject.root)] if subject.root else ["-e", subject.exe]
    commands = {
        "kiln symbolize": ([os.path.join(options.build, "kiln"), "symbolize", *inside], ADDRESSES, 200),
        "addr2line -f -i": (["addr2line", "-f", "-i", "-e", debug], subject.addr2line_addresses, 4),
        "llvm-symbolizer": (["llvm-symbolizer-16", "--inlining", "-e", debug], ADDRESSES, 20),
    }
    for program, (command, count, repeats) in commands.items():
        ns, start = per_address(command, addresses[:count], repeats, options.rounds)
        result["programs"][program] = {"ns": ns, "addresses": count, "first_s": start}
    if subject.runs:
        try:
            result["programs"]["bcc, symbols alone"] = {"ns": bcc_per_address(options.work, subject.exe, addresses), "addresses": len(addresses)}
        except (OSError, subprocess.CalledProcessError) as problem:
            print(f"left out: bcc (libbpfcc-dev, g++): {problem}")
    return result


def show(result):
    library = result["library"]
    print(f"\n{result['name']}: {result['debug_mb']:.0f} MB of debug information, {library['lines_per_address']:.2f} functions per address")
    print(f"  opening, index included   {library['open_ms']:>12.0f} ms   {result['index_ms_per_mb']:.1f} ms/MB, peak {library['peak_rss_bytes'] / 1e6:.0f} MB resident")
    if library["note"]:
        print(f"  note: {library['note']}")
    print(f"  {'':<26}{'ns/address':>12}{'x library':>12}   of how many; s with the first N")
    for of in (library, result["library_many"]):
        for row, ns in (("library, warm", of["warm_ns"]), ("library, first time", of["first_ns"])):
            print(f"  {row:<26}{ns:>12.0f}{ns / library['warm_ns']:>12.1f}   {of['addresses']}")
    for program, of in result["programs"].items():
        print(f"  {program:<26}{of['ns']:>12.0f}{of['ns'] / library['warm_ns']:>12.1f}   {of['addresses']}" + (f"; {of['first_s']:.1f}" if "first_s" in of else ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    subjects = [Subject("kiln", os.path.abspath(os.path.join(options.build, "kiln")), 1000, runs=True)]
    if not options.quick:
        builder = binaries.Builder(options.work, quick=False)
        binaries.add_kernel(builder)
        for binary in builder.binaries:
            if binary.name == "kernel_vmlinux":
                subjects.append(Subject(f"vmlinux of {binaries.KERNEL}", binary.exe, 200))
        try:
            root = binaries.unpack(builder, "ceph-osd", "ceph-osd-dbg")
            exe = os.path.join(root, "usr/bin/ceph-osd")
            digits = binaries.build_id(exe)
            debug = os.path.join(root, "usr/lib/debug/.build-id", digits[:2], digits[2:] + ".debug")
            subjects.append(Subject("ceph-osd of Debian, debug file compressed", exe, 20, root, debug))
        except subprocess.CalledProcessError as problem:
            builder.left_out.append(f"ceph-osd: {problem}")
        for problem in builder.left_out:
            print(f"left out: {problem}")
    results = []
    for subject in subjects:
        results.append(measure(options, subject))
        show(results[-1])
        sys.stdout.flush()
    print(f"\n{BUDGETS}")
    with open(options.json, "w") as out:
        json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
