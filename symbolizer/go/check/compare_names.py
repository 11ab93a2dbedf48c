# SPDX-License-Identifier: Apache-2.0
"""Compares kiln's names of Go code with those of Go's own runtime and of `go tool addr2line`, address by address."""

import collections
import random
import re
import subprocess


def run(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
    return done.stdout


def chains(output):
    """One list of (function, file, line, start line) for each address, innermost first."""
    frames, answers = [], []
    for line in output.splitlines():
        if line:
            frames.append(tuple(line.split("\t")))
        else:
            answers.append(frames)
            frames = []
    return answers


def without_type_arguments(name):
    """As the runtime prints names: in place of type arguments, "..."."""
    return re.sub(r"\[.*\]", "[...]", name)


def addresses_of(tool, program, count, seed):
    """Each function's first byte and its last but one, and `count` random ones of all their code. Not the last byte:
    the oracle is asked for return addresses, and that behind the last byte is another function's."""
    extents = [tuple(int(number, 16) for number in line.split())
               for line in run([tool, "--entries", program], "").splitlines()]
    extents = [(begin, end) for begin, end in extents if begin + 1 < end]
    chosen = [begin for begin, end in extents] + [end - 2 for begin, end in extents]
    generator = random.Random(seed)
    sizes = [end - begin for begin, end in extents]
    chosen += [generator.randrange(begin, end - 1) for begin, end in generator.choices(extents, sizes, k=count)]
    return chosen


def compare(tool, program, oracle, count=20000, seed=1):
    """What differs between the tool's names of a program's code and the oracle's, by class, with one example of each;
    and figures. The oracle is a command that answers as the program itself does."""
    addresses = addresses_of(tool, program, count, seed)
    text = "".join(f"{address:x}\n" for address in addresses)
    ours, theirs = chains(run([tool, program], text)), chains(run(oracle, text))
    figures = collections.Counter(addresses=len(addresses), compared=min(len(ours), len(theirs)))
    differences = collections.Counter()
    examples = {}
    for address, our, their in zip(addresses, ours, theirs):
        figures["inlined"] += len(their) > 1
        figures["deepest"] = max(figures["deepest"], len(their))
        figures["between functions"] += any(frame[3] == "-" for frame in their)
        figures["nameless in the runtime"] += any(frame[0] == "" and frame[3] != "-" for frame in their)
        figures["with start line"] += bool(their) and their[0][3] not in ("0", "-")
        kind = difference(our, their)
        if kind:
            differences[kind] += 1
            examples.setdefault(kind, f"{address:#x}: {our} instead of {their}")
    return figures, differences, examples


def difference(our, their):
    if not their:  # the runtime knows no function there
        return "" if our and our[0][0].startswith("?") else "named what the runtime doesn't know"
    # The runtime takes a name at offset 0 of the names, which is that of the first function, for none.
    if len(our) != len(their) or any(without_type_arguments(their_frame[0]) not in ("", without_type_arguments(our_frame[0]))
                                     for our_frame, their_frame in zip(our, their)):
        return "functions"
    for our_frame, their_frame in zip(our, their):
        # What the runtime doesn't know is "?" or "" in line 0.
        unknown = their_frame[1] in ("", "?")
        if our_frame[1] != ("" if unknown else their_frame[1]):
            return "file"
        if our_frame[2] != ("0" if unknown else their_frame[2]):
            return "line"
        if their_frame[3] not in ("-", our_frame[3]):
            return "start line"
    return ""


def compare_addr2line(tool, program, command, count=5000, seed=2):
    """The same with `go tool addr2line`, which knows the function that the code is in and the innermost line."""
    addresses = addresses_of(tool, program, count, seed)
    ours = chains(run([tool, program], "".join(f"{address:x}\n" for address in addresses)))
    lines = run([*command, program], "".join(f"{address:#x}\n" for address in addresses)).splitlines()
    theirs = list(zip(lines[::2], lines[1::2]))
    differences = collections.Counter()
    examples = {}
    for address, our, (function, place) in zip(addresses, ours, theirs):
        place = "?:0" if place.startswith("?") or re.search(r":(0|-\d+)$", place) else place
        mine = f"{our[0][1]}:{our[0][2]}" if our[0][1] and our[0][2] != "0" else "?:0"
        kind = "function" if our[-1][0] != function else "place" if mine != place else ""
        if kind:
            differences[kind] += 1
            examples.setdefault(kind, f"{address:#x}: {our} instead of {function} {place}")
    return len(theirs), differences, examples
