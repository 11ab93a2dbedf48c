# SPDX-License-Identifier: Apache-2.0
"""usage: check_arm64.py LOG PROGRAMS

Judges what arm64/runner.c printed on the console of an emulated arm64 machine. Every stack whose leaf is in the
function that burns must have exactly the chain of its program down to main, and reach the root. Functions are told by
the symbol tables of the programs in the folder PROGRAMS. Prints one line if all is well; otherwise what is wrong, and
exits with 1.
"""

import bisect
import collections
import pathlib
import re
import subprocess
import sys

LEAF = "burn"
# Of the 1000 that a program's second of CPU time would give: emulated timers may come late.
LEAST_SAMPLES = 200
# A program is told to the sampler at its first samples.
NOT_YET = {"PROCESS_UNKNOWN"}
# Below main glibc may have what it likes.
START = {"__libc_start_call_main", "__libc_start_main", "__libc_start_main_impl", "_start"}

# Programs lie in the first 4 GiB. Above them there is only the vDSO, here just with the code that ends signal handlers.
VDSO = "[vdso]"

DEEP = [LEAF, "bottom", *["descend"] * 50, "main"]
CHAINS = {
    "deep": DEEP,
    "deep_fp": DEEP,
    "deep_pac": DEEP,
    "leaf": [LEAF, "middle", "main"],
    "signal_handler": [LEAF, "on_timer", VDSO, "interrupted", "main"],
}


class Symbols:
    """Functions of a program, as `nm` prints them."""

    def __init__(self, nm_output):
        lines = (line.split() for line in nm_output.splitlines())
        found = sorted((int(line[0], 16), line[2]) for line in lines if len(line) == 3 and line[1] in "tTwW")
        self.starts = [start for start, _ in found]
        self.names = [name for _, name in found]

    @classmethod
    def of(cls, program):
        command = ["aarch64-linux-gnu-nm", str(program)]
        return cls(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def name(self, address):
        if address >> 32:
            return VDSO
        at = bisect.bisect_right(self.starts, address) - 1
        return self.names[at] if at >= 0 else "?"


def frame_name(symbols, word):
    """`word` as the runner prints it: a return address belongs to the instruction before it."""
    return symbols.name(int(word[1:], 16) - 1 if word[0] == "r" else int(word, 16))


def faults_of(program, lines, symbols):
    """Sentences about what is wrong with a program's stacks, and the number of samples that were right."""
    right, wrong = 0, collections.Counter()
    for count, stop, *words in lines:
        names = [frame_name(symbols, word) for word in words]
        if not names or names[0] != LEAF or stop in NOT_YET:
            continue
        chain = CHAINS[program]
        if stop == "ROOT" and names[: len(chain)] == chain and START.issuperset(names[len(chain) :]):
            right += int(count)
        else:
            wrong[f"{' <- '.join(names[:8] + (['…'] + names[-6:] if len(names) > 14 else names[8:]))}: {stop}"] += int(count)
    sentences = [f"{program}: {count} samples of {stack}" for stack, count in wrong.most_common(5)]
    if right < LEAST_SAMPLES:
        sentences.append(f"{program}: {right} samples of {LEAF} are right, should be at least {LEAST_SAMPLES}")
    return sentences, right


def judge(console, symbols_of):
    """(sentences about what is wrong, summary)."""
    lines = [line.split() for line in console.replace("\r", "").splitlines()]
    if ["@@@", "done"] not in lines:
        return ["the machine did not come to its end"], ""
    system = next((" ".join(line[1:]) for line in lines if line[:1] == ["uname"]), "?")
    wrong = [" ".join(line) for line in lines if line[:1] in (["runner:"], ["lost"])]
    if ["pointer", "authentication", "1"] not in lines:
        wrong.append("the machine signs no return addresses")
    summary = []
    for program in CHAINS:
        statuses = [line[2] for line in lines if line[:2] == ["status", program]]
        if statuses != ["0"]:
            wrong.append(f"{program}: ended with {statuses}")
            continue
        stacks = [line[2:] for line in lines if line[:2] == ["stack", program]]
        sentences, right = faults_of(program, stacks, symbols_of(program))
        wrong += sentences
        summary.append(f"{program} {right}")
    costs = [f"{line[1]} {line[2]}" for line in lines if line[:1] == ["verifier"]]
    return wrong, f"({system}): chains {', '.join(summary)}; verifier instructions {', '.join(costs)}"


def main(log, programs):
    console = pathlib.Path(log).read_text(errors="replace")
    wrong, summary = judge(console, lambda program: Symbols.of(pathlib.Path(programs) / program))
    if not wrong:
        print(f"passed arm64 {summary}")
        return 0
    print(*(f"arm64: {sentence}" for sentence in wrong), sep="\n")
    print(f"--- {log}", *(re.sub(r"[^ -~]", "", line)[:200] for line in console.splitlines()[-20:]), sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
