# SPDX-License-Identifier: Apache-2.0
"""Compares the names that kiln symbolize -p gives with those of bcc's symbol cache, a third opinion for names without
DWARF: for random addresses in the code of a live process, all its libraries. Run by scripts/check_names --bcc."""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import time

import classes
import oracles

HERE = os.path.dirname(os.path.abspath(__file__))
# Large libraries, C and C++, with symbols and stripped.
LOAD = "import ssl, sqlite3, ctypes, lzma, bz2, decimal, sys; ctypes.CDLL('libstdc++.so.6'); print('ready', flush=True); sys.stdin.read()"

CLASSES = {
    "agree": "The same name, or none from both.",
    "alias": "Several symbols name the address; kiln chooses by the fixed rule of symbolizer/symbol_table.h, bcc takes one.",
    "bcc: nearest symbol": "bcc takes the nearest symbol below although its size does not reach the address, or gives a "
    "symbol without size to the end of the library.",
    "bcc: debug file unread": "bcc looks for no separate debug file by build id where .gnu_debuglink is missing or its "
    "checksum differs; the symbol is in the debug file that kiln found.",
    "bcc: no name": "bcc has no name; the symbol table, or DWARF of the debug file, has kiln's.",
    "DWARF": "kiln names the function of DWARF: a local or inlined one where bcc has the symbol of the code around it.",
    "vDSO": "bcc keeps the vDSO under another name.",
    "plt": "kiln names stubs of the PLT after the function that they call. bcc has no name, or the symbol below.",
}


def build_bcc(work):
    program = os.path.join(work, "bcc_names")
    source = os.path.join(HERE, "bcc_names.cc")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        os.makedirs(work, exist_ok=True)
        subprocess.run(["g++", "-std=c++20", "-O2", source, "-lbcc", "-o", program], check=True)
    return program


def code_addresses(pid, count, seed):
    spans = []
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            if "x" in words[1] and len(words) > 5 and words[5].startswith("/"):
                start, end = (int(part, 16) for part in words[0].split("-"))
                spans.append((start, end))
    chosen = random.Random(seed).choices(spans, weights=[end - start for start, end in spans], k=count)
    return [random.Random(f"{seed} {i}").randrange(start, end) for i, (start, end) in enumerate(chosen)]


def run(command, addresses):
    text = "".join(f"{address:x}\n" for address in addresses)
    return subprocess.run(command, input=text, capture_output=True, text=True, errors="surrogateescape", check=True).stdout


def judge(answer, bcc_name, symbols, bcc_symbols):
    """The class of one address; None = not explained."""
    frames = [frame["function"] for frame in answer["lines"]]
    kiln = frames[-1] if frames else ""
    if kiln.split("@")[0] == bcc_name or (frames and bcc_name in frames):
        return "agree"
    if kiln.endswith("@plt") or ".plt" in answer.get("section", ""):
        return "plt"
    if kiln and bcc_name and kiln in symbols and bcc_name in symbols:
        return "alias"
    if classes.plain(kiln) in {classes.plain(name) for name in symbols}:
        if not bcc_name:
            return "bcc: no name"
        return "bcc: nearest symbol" if bcc_name not in symbols else "alias"
    if not kiln and not symbols:
        return "bcc: nearest symbol"
    if kiln and answer["lines"][-1].get("line"):
        return "DWARF"
    if kiln.split("::")[-1] in {name for name in symbols}:
        return "DWARF"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--addresses", type=int, default=5000)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    bcc = build_bcc(options.work)
    process = subprocess.Popen([sys.executable, "-c", LOAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        addresses = code_addresses(process.pid, options.addresses, options.seed)
        begin = time.monotonic()
        kiln = [json.loads(line) for line in run([options.kiln, "symbolize", "--json", "--no-demangle", "-p", str(process.pid)], addresses).splitlines()]
        kiln_seconds = time.monotonic() - begin
        begin = time.monotonic()
        of_bcc = [line.split("\t") for line in run([bcc, str(process.pid)], addresses).splitlines()]
        bcc_seconds = time.monotonic() - begin
        bcc_ns = float(run([bcc, "--loop", str(process.pid)], addresses))
    finally:
        process.stdin.close()
        process.wait()
    counts, unexplained, tables = collections.Counter(), [], {}
    for address, answer, (module, name) in zip(addresses, kiln, of_bcc):
        path = answer.get("module", "")
        if path not in tables:
            debug = f"/usr/lib/debug/.build-id/{answer.get('build_id', '')[:2]}/{answer.get('build_id', '')[2:]}.debug"
            files = [file for file in (path, debug) if os.path.isfile(file)]
            tables[path] = oracles.Symbols(*files) if files else None
        at = tables[path].at(int(answer["elf_address"], 16)) if tables[path] and "elf_address" in answer else set()
        found = judge(answer, name, at, at)
        if found is None:
            unexplained.append((address, answer, name, at))
        else:
            counts[found] += 1
    for address, answer, name, at in unexplained[:20]:
        print(f"UNEXPLAINED {address:#x} {answer.get('module')} +{answer.get('elf_address')}: kiln {answer['lines']}, bcc {name!r}, symbols {sorted(at)[:5]}")
    for name, count in counts.most_common():
        print(f"{count:>8}  {name}: {CLASSES[name]}")
    print(f"{len(addresses)} addresses in {len(tables)} files, {len(unexplained)} unexplained; kiln {kiln_seconds:.2f} s and bcc {bcc_seconds:.2f} s in all; bcc warm, demangled: {bcc_ns:.0f} ns per address")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
