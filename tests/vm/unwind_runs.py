# SPDX-License-Identifier: Apache-2.0
"""usage: unwind_runs.py FOLDER ROOT

The programs that know their own stack (tests/e2e/unwind_programs.py), as far as they run in the emulated machines: puts
those of FOLDER, with the libraries that they load by name, into ROOT/bin/unwind, a script that runs them one after the
other into ROOT/bin/run_unwind, and prints what was copied. A program that needs a compiler that is missing here is left
out, but not where CI is set.
"""

import collections
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import chains
import harness
import unwind_programs
from test_unwind import Comparison

TITLES = (
    "depth_1",
    "depth_50",
    "depth_500",
    "static",
    "static_pie",
    "musl_static",
    "debug_frame_only",
    "tail_calls",
    "call_at_the_end",
    "shapes_of_frames",
    "signal_on_own_stack",
    "vfork",
    "starts_of_threads",
    "destructors",
    "libraries_at_one_address",
    "realigned_stack",
    "fibers",
    "code_made_at_run_time",
)
CPU_MILLISECONDS = 300
GUEST_FOLDER = "/bin/unwind"
SHELLS = ("sh", "run_unwind")
# Emulated timers may come late: far fewer than real time would give.
LEAST_SAMPLES = 5
# Reasons for cut stacks below a burning function, and how many of its samples they may take. Emulated machines need tenths of
# seconds to make tables. Until then stacks are walked from copies, which hold 64 KiB of one stack; and a library that
# was loaded meanwhile is noticed later. So these programs run once before it counts.
CUTS = {
    "large_frames": ({"copied part of the stack ends"}, 0.7),
    "signal_on_own_stack": ({"copied part of the stack ends"}, 0.7),
    "libraries_at_one_address": ({"code was replaced", "return address is not in code"}, 0.7),
}
MOST_PROBLEMS = 3  # told per program

PROGRAMS = {program.title: program for program in unwind_programs.PROGRAMS if program.title in TITLES}


def script(programs):
    """A shell script that runs the programs and says before each which it is."""
    lines = ["#!/bin/sh"]
    for program in programs:
        arguments = [GUEST_FOLDER if argument == "FOLDER" else str(argument) for argument in program.arguments]
        # Where cuts are excused for some tenths of a second, there must be more than those.
        milliseconds = CPU_MILLISECONDS * (3 if program.title in CUTS else 1)
        command = [f"{GUEST_FOLDER}/{program.program}", str(milliseconds), *arguments]
        if program.title in CUTS:
            lines.append(f"{' '.join(command)} >/dev/null")
        lines += [f"echo @title {program.title}", f"{' '.join(command)} || echo @status {program.title} $?"]
    return "\n".join(lines) + "\n"


def install(folder, root):
    """Copies programs and libraries; returns the files of FOLDER that were taken. SystemExit if one is not there."""
    there = [program for program in PROGRAMS.values() if (folder / program.program).exists()]
    missing = [program for program in PROGRAMS.values() if program not in there]
    if any(not program.tool or os.environ.get("CI") for program in missing):
        raise SystemExit(f"unwind_runs: not built: {', '.join(program.program for program in missing)}")
    files = sorted({folder / program.program for program in there}) + sorted(folder.glob("libplugin_*.so"))
    (root / "bin/unwind").mkdir(parents=True)
    for file in files:
        shutil.copy(file, root / "bin/unwind")
    run = root / "bin/run_unwind"
    run.write_text(script(there))
    run.chmod(0o755)
    return files


def runs(stdout):
    """What the script printed, by title: (exit status, lines of ground truth)."""
    found = {}
    title = None
    for line in stdout.splitlines():
        if line.startswith("@title "):
            title = line.split()[1]
            found[title] = [0, []]
        elif line.startswith("@status "):
            found[line.split()[1]][0] = int(line.split()[2])
        elif title:
            found[title][1] += harness.truths(line)
    return found


def faults_of(program, truths, profile):
    """Sentences about what is wrong with the stacks of one program, and the number of right ones."""
    samples = profile.of_process(*(truth["pid"] for truth in truths)).where(
        lambda sample: sample.labels.get("process.executable.name") not in SHELLS
    )
    seen = Comparison(program, samples)
    # What is excused of wrong stacks is excused here as well; one sample of so few may be more than its part.
    known = {stack: count for stack, count in seen.wrong.items()
             if any(stack[0].startswith(word) and count <= max(1, part * seen.total) for word, part in program.excuses.items())}
    wrong = collections.Counter({stack: count for stack, count in seen.wrong.items() if stack not in known})
    faults = [f"{count} samples of {stack}" for stack, count in wrong.most_common(MOST_PROBLEMS)]
    reasons, most = CUTS.get(program.title, (set(), 0))
    excused, cut = 0, collections.Counter()
    for sample in samples.samples:
        frames, reason = chains.user_frames(sample), chains.cut_reason(sample)
        if not reason or not any(frame.name in seen.burning_names for frame in frames):
            continue  # complete, or code that starts and ends the program
        if reason in reasons:
            excused += sample.count
        else:
            cut[f"{chains.text(frames)} (cut: {reason})"] += sample.count
    faults += [f"{count} samples of {stack}" for stack, count in cut.most_common(MOST_PROBLEMS)]
    if excused > most * seen.total:
        faults.append(f"{excused} of {seen.total} samples are cut: {', '.join(sorted(reasons))}")
    right = sum(seen.good.values())
    if right < LEAST_SAMPLES:
        faults.append(f"{right} samples have the right stack, should be at least {LEAST_SAMPLES}")
    return [f"{program.title}: {fault}" for fault in faults], right


def faults(stdout, profile):
    """Sentences about all programs, and a summary."""
    sentences, right = [], 0
    found = runs(stdout)
    for title, (status, truths) in found.items():
        if status != 0 or not truths:
            sentences.append(f"{title}: ended with {status} and {len(truths)} lines of ground truth")
            continue
        wrong, count = faults_of(PROGRAMS[title], truths, profile)
        sentences += wrong
        right += count
    if not found:
        sentences.append("no program was run")
    cut = profile.count(lambda sample: bool(chains.cut_reason(sample)))
    return sentences, f"{len(found)} programs, {right} exact stacks, {cut} of {profile.count()} samples cut"


if __name__ == "__main__":
    for copied in install(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])):
        print(copied)
