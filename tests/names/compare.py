# SPDX-License-Identifier: Apache-2.0
"""Compares the names that kiln gives with those of addr2line and llvm-symbolizer: see scripts/check_names."""

import argparse
import collections
import os
import shutil
import sys
import time

import binaries
import classes
import oracles

# llvm-dwarfdump takes so long on large files that only some addresses are shown to it, and those that nothing else
# explains.
RAW_LIMIT_SMALL = 250
RAW_LIMIT_LARGE = 12
RAW_SHARE = 20  # one of so many
RAW_LIMIT_OTHERWISE_UNEXPLAINED = 1000
LARGE_BYTES = 12 << 20
PROGRAMS = (
    *("addr2line", "llvm-symbolizer-16", "llvm-dwarfdump-16", "readelf", "objdump", "objcopy", "c++filt"),
    *("gcc", "g++", "clang-16", "clang++-16", "ld.lld-16", "llvm-dwp-16", "dwz"),
)
SKIPPED = 77  # as ctest expects it
SHOWN = 5  # unexplained addresses per binary


class Report:
    def __init__(self, binary):
        self.binary = binary
        self.addresses = 0
        self.agree = collections.Counter()  # by program
        self.agree_all = 0
        self.against_both = 0
        self.classes = collections.Counter()
        self.unexplained = []
        self.seconds = 0.0


def compare(kiln, binary, count, seed):
    report = Report(binary)
    begin = time.monotonic()
    addresses = oracles.random_addresses(binary.exe, count, f"{seed} {binary.name}", binary.section)
    report.addresses = len(addresses)
    answers = oracles.kiln(kiln, binary, addresses)
    others = {
        "addr2line": oracles.addr2line(binary.file_of("addr2line"), addresses, binary.section),
        "llvm": oracles.llvm_symbolizer(binary.file_of("llvm"), addresses),
    }
    for who, of in {"kiln": answers, **others}.items():
        if len(of) != len(addresses):
            raise RuntimeError(f"{binary.name}: {who} gave {len(of)} answers to {len(addresses)} addresses")
    raw_file = binary.file_of("raw")
    left = RAW_LIMIT_LARGE if os.path.getsize(raw_file) > LARGE_BYTES else min(RAW_LIMIT_SMALL, count // RAW_SHARE)
    further = RAW_LIMIT_OTHERWISE_UNEXPLAINED

    def raw(address):
        nonlocal left
        if left <= 0 or binary.section:  # llvm-dwarfdump tells sections of relocatable files not apart
            return None
        left -= 1
        return oracles.raw_dwarf(raw_file, address, binary.shared)

    # Of the file that the others read: what was stripped is a case of its own.
    symbols = oracles.Symbols(*dict.fromkeys((binary.exe, binary.file_of("addr2line"), binary.file_of("llvm"))))
    stubs = oracles.plt_stubs(binary.exe)
    for i, address in enumerate(addresses):
        of_others = {who: of[i] for who, of in others.items()}
        case = classes.Case(address, answers[i], of_others, symbols.at(address) if not binary.section else set(), raw, stubs, symbols.ifuncs, bool(binary.section))
        agrees = {who: of_others[who] == answers[i] for who in others}
        report.agree.update(who for who, good in agrees.items() if good)
        report.agree_all += all(agrees.values())
        report.against_both += not any(agrees.values()) and of_others["addr2line"] == of_others["llvm"]
        for who, good in agrees.items():
            if good:
                continue
            explained = classes.explain(case, who)
            if explained is None and left <= 0 and further > 0:
                left, further = 1, further - 1
                explained = classes.explain(case, who)
                left = 0
            if explained is None:
                report.unexplained.append((who, case))
            else:
                report.classes.update(explained)
    report.seconds = time.monotonic() - begin
    return report


def print_unexplained(report):
    kinds = collections.Counter()
    for who, case in report.unexplained:
        kinds[who] += 1
        if kinds[who] > SHOWN:
            continue
        print(f"UNEXPLAINED {report.binary.name} {case.address:#x} against {who}")
        for name, frames in (("kiln", case.kiln), *case.others.items()):
            for frame in frames or [None]:
                print(f"    {name:<10}" + ("nothing" if frame is None else f"{frame.name[:100]}  {frame.file}:{frame.line}"))
        print(f"    raw       {case.raw()}")
        print(f"    symbols   {sorted(case.symbols)[:8]}")


def print_table(reports):
    print(f"\n{'binary':<34}{'addresses':>10}{'both':>9}{'addr2line':>11}{'llvm':>9}{'alone':>7}{'unexplained':>13}  seconds")
    for report in reports:
        share = lambda n: f"{100 * n / max(report.addresses, 1):.1f}%"
        print(
            f"{report.binary.name:<34}{report.addresses:>10}{share(report.agree_all):>9}{share(report.agree['addr2line']):>11}"
            f"{share(report.agree['llvm']):>9}{report.against_both:>7}{len(report.unexplained):>13}{report.seconds:>9.1f}"
        )
    total = collections.Counter()
    for report in reports:
        total.update(report.classes)
    print("\nboth: kiln, addr2line and llvm-symbolizer say the same, letter by letter; alone: those two agree against kiln.")
    print("Classes of disagreement, with the number of answers in each, and why kiln is right:")
    for name, count in total.most_common():
        print(f"\n{count:>8}  {name}\n          {classes.CLASSES[name]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--addresses", type=int, default=5000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        print(f"skipped: {', '.join(missing)} missing; scripts/lib/packages has the packages of `names`")
        sys.exit(SKIPPED)
    found, left_out = binaries.build_all(options.work, options.quick, options.kiln)
    for problem in left_out:
        print(f"left out: {problem}")
    known = {binary.name for binary in found}
    if unknown := set(options.names) - known:
        sys.exit(f"no such binary: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    reports, failed = [], len(left_out)
    for binary in found:
        if options.names and binary.name not in options.names:
            continue
        try:
            report = compare(options.kiln, binary, options.addresses, options.seed)
        except RuntimeError as problem:
            print(f"FAILED {binary.name}: {problem}")
            failed += 1
            continue
        reports.append(report)
        print_unexplained(report)
        sys.stdout.flush()
    print_table(reports)
    unexplained = sum(len(report.unexplained) for report in reports)
    print(f"\n{len(reports)} binaries, {sum(r.addresses for r in reports)} addresses, {unexplained} answers unexplained, {failed} binaries failed")
    sys.exit(1 if unexplained or failed else 0)


if __name__ == "__main__":
    main()
