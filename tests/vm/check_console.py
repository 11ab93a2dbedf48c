# SPDX-License-Identifier: Apache-2.0
"""usage: check_console.py KERNEL LOG

Judges what guest_init.sh printed on the console of an emulated machine: the kernel must have accepted all programs with
all options, kiln must have ended well, and both of its files must give the functions of the load `shares` their names
and their shares of each other, within 15 points, and the programs that know their stack must have it (unwind_runs.py). Prints one
line if so; otherwise what is wrong, with what kiln said, and exits
with 1.
"""

import base64
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import folded
import pprof
import unwind_runs

POINTS = 15  # some of the emulated clocks tick as coarsely as the load changes from one function to the other
LEAST_PART_IN_FUNCTIONS = 0.8
HZ = 99
# Of the samples that real time would give: emulated timers may come late, but a profile of a few samples is no proof.
LEAST_PART_OF_SAMPLES = 0.5


def results(console):
    """The files that the guest printed, by name, as bytes; and whether it came to its end."""
    console = console.replace("\r", "")
    files = re.findall(r"^@@@ begin (\S+)\n(.*?)^@@@ end \1$", console, re.MULTILINE | re.DOTALL)
    return {name: base64.b64decode(text) for name, text in files}, "\n@@@ done" in console


def faults(files):
    """Sentences that say what is wrong; none if all is well."""
    for name in ("verifier.status", "verifier", "record.status", "record.stdout", "out.folded", "out.pb.gz", "unwind.status",
                 "unwind.stdout", "unwind.pb.gz"):
        if name not in files:
            return [f"the guest has no {name}"]
    if files["verifier.status"].strip() != b"0":
        return ["the kernel refused programs, or told no cost"]
    if files["record.status"].strip() != b"0":
        return [f"kiln record exited with {files['record.status'].decode().strip()}"]
    if files["unwind.status"].strip() != b"0":
        return [f"kiln record exited with {files['unwind.status'].decode().strip()} on the unwind programs"]
    lines = files["record.stdout"].decode().splitlines()
    truth = next((json.loads(line) for line in lines if line.startswith('{"program":')), None)
    if truth is None:
        return ["the load printed no ground truth"]

    try:
        stacks = [(frames, n) for frames, n in folded.parse(files["out.folded"].decode()) if frames[0] == "shares"]
        profile = pprof.parse(files["out.pb.gz"]).of_process(truth["pid"])
    except ValueError as error:
        return [f"a file of kiln's is broken: {error}"]

    wrong = []
    least = HZ * truth["on_cpu_ns"] / 1e9 * LEAST_PART_OF_SAMPLES
    for name, count in (("out.folded", folded.total(stacks)), ("out.pb.gz", profile.count())):
        if count < least:
            wrong.append(f"{name} has {count} samples of the load, should be at least {least:.0f}")
    together = sum(truth["functions"].values())
    for name, share_of in (("out.folded", lambda function: folded.share(stacks, function)), ("out.pb.gz", profile.share)):
        shares = {function: share_of(function) for function in truth["functions"]}
        # Emulated, the start of a program is no small part of it.
        named = sum(shares.values())
        if named < LEAST_PART_IN_FUNCTIONS:
            wrong.append(f"{name}: {named:.0%} of the samples are in {' or '.join(shares)}")
            continue
        for function, share in shares.items():
            expected = truth["functions"][function] / together
            if abs(share / named - expected) * 100 > POINTS:
                wrong.append(f"{name}: {function} has {share / named:.0%}, should be {expected:.0%} ± {POINTS} points")
    return wrong + unwound(files)[0]


def unwound(files):
    """What is wrong with the stacks of the unwind programs, and a summary."""
    try:
        return unwind_runs.faults(files["unwind.stdout"].decode(), pprof.parse(files["unwind.pb.gz"]))
    except ValueError as error:
        return [f"unwind.pb.gz is broken: {error}"], ""


def costs(files):
    """What each program cost the verifier: "NAME INSTRUCTIONS"."""
    return re.findall(r"^verifier (\S+ \d+)$", files["verifier"].decode(), re.MULTILINE)


def printable(text):
    """`text` without what would move the cursor of a terminal."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text)
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def main(kernel, log):
    console = pathlib.Path(log).read_text(errors="replace")
    files, ended = results(console)
    wrong = faults(files) if ended else ["the machine did not come to its end"]
    if not wrong:
        profile = pprof.parse(files["out.pb.gz"])
        shares = ", ".join(f"{name} {profile.share(name):.0%}" for name in ("seventy", "thirty"))
        print(f"passed {kernel} ({files['uname'].decode().strip()}): {profile.count()} samples, {shares};",
              f"{unwound(files)[1]}; verifier instructions {', '.join(costs(files))}")
        return 0
    print(*(f"{kernel}: {sentence}" for sentence in wrong), sep="\n")
    for name in ("uname", "verifier", "doctor", "record.stdout", "record.stderr", "out.folded", "unwind.stdout", "unwind.stderr", "dmesg"):
        if name in files:
            print(f"--- {name}", printable(files[name].decode(errors="replace"))[-4000:], sep="\n")
    if not ended:
        print(f"--- {log}", printable(console)[-4000:], sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
