# SPDX-License-Identifier: Apache-2.0
"""What naming addresses costs, kiln beside addr2line and llvm-symbolizer: see scripts/bench --names.

The others are given N addresses, then 2 N: the difference is what N addresses cost once the program runs and has read
what it needs first. Time is that of the processor; the least of some rounds counts, since other work on the machine only
adds."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "names"))
import binaries  # noqa: E402
import oracles  # noqa: E402

BUDGETS = "budgets: warm <= 500 ns, addr2line >= 20 x, llvm-symbolizer >= 50 x, index <= 20 ms per MB of debug information"


@dataclasses.dataclass
class Subject:
    name: str
    exe: str
    counts: dict  # addresses for each program
    root: str = ""  # where the debug file of exe is found
    debug: str = ""


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


def per_address(command, file, count, rounds):
    """(ns per address, s of a start with `count` addresses)."""
    some = oracles.random_addresses(file, count, "some")
    more = some + oracles.random_addresses(file, count, "more")
    of_some, of_more = [], []
    for _ in range(rounds):
        of_some.append(seconds(command, some))
        of_more.append(seconds(command, more))
    spent = min(of_more) - min(of_some)
    return max(spent, 0) * 1e9 / (len(more) - len(some)), min(of_some)


def measure(options, subject):
    lookup = os.path.join(options.build, "tests/bench/name_lookup")
    addresses = oracles.random_addresses(subject.exe, subject.counts["kiln"], "kiln")
    text = "".join(f"{address:#x}\n" for address in addresses)
    command = [lookup, subject.exe, *([subject.root] if subject.root else [])]
    library = json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)
    debug = subject.debug or subject.exe
    size = debug_bytes(debug) / 1e6
    result = {"name": subject.name, "debug_mb": size, "library": library, "index_ms_per_mb": library["open_ms"] / max(size, 1e-9), "programs": {}}
    inside = ["--root", subject.root, "-e", "/" + os.path.relpath(subject.exe, subject.root)] if subject.root else ["-e", subject.exe]
    commands = {
        "kiln symbolize": [os.path.join(options.build, "kiln"), "symbolize", *inside],
        "addr2line -f -i": ["addr2line", "-f", "-i", "-e", debug],
        "llvm-symbolizer": ["llvm-symbolizer-16", "--inlining", "-e", debug],
    }
    for program, command in commands.items():
        count = subject.counts[program.split()[0]]
        ns, start = per_address(command, subject.exe, count, options.rounds)
        result["programs"][program] = {"ns": ns, "addresses": count, "first_s": start}
    return result


def show(result):
    library = result["library"]
    print(f"\n{result['name']}: {result['debug_mb']:.0f} MB of debug information, {library['lines_per_address']:.2f} functions per address")
    print(f"  opening, index included   {library['open_ms']:>12.0f} ms   {result['index_ms_per_mb']:.1f} ms/MB, peak {library['peak_rss_bytes'] / 1e6:.0f} MB resident")
    if library["note"]:
        print(f"  note: {library['note']}")
    print(f"  {'':<26}{'ns/address':>12}{'x library':>12}   of how many; s with the first N")
    print(f"  {'library, warm':<26}{library['warm_ns']:>12.0f}{1:>12.0f}   {library['addresses']}")
    print(f"  {'library, first time':<26}{library['first_ns']:>12.0f}{library['first_ns'] / library['warm_ns']:>12.1f}")
    for program, of in result["programs"].items():
        print(f"  {program:<26}{of['ns']:>12.0f}{of['ns'] / library['warm_ns']:>12.1f}   {of['addresses']}; {of['first_s']:.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    subjects = [Subject("kiln", os.path.abspath(os.path.join(options.build, "kiln")), {"kiln": 200000, "addr2line": 300, "llvm-symbolizer": 20000})]
    if not options.quick:
        builder = binaries.Builder(options.work, quick=False)
        binaries.add_kernel(builder)
        for binary in builder.binaries:
            if binary.name == "kernel_vmlinux":
                subjects.append(Subject(f"vmlinux of {binaries.KERNEL}", binary.exe, {"kiln": 200000, "addr2line": 200, "llvm-symbolizer": 5000}))
        try:
            root = binaries.unpack(builder, "ceph-osd", "ceph-osd-dbg")
            exe = os.path.join(root, "usr/bin/ceph-osd")
            digits = binaries.build_id(exe)
            debug = os.path.join(root, "usr/lib/debug/.build-id", digits[:2], digits[2:] + ".debug")
            subjects.append(Subject("ceph-osd of Debian, debug file compressed", exe, {"kiln": 200000, "addr2line": 20, "llvm-symbolizer": 50000}, root, debug))
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
