# SPDX-License-Identifier: Apache-2.0
"""Reads folded stacks: lines `process;root;…;leaf count`, kernel frames with the suffix _[k]."""


def parse(text):
    """A list of (frames as text, process first and leaf last; count)."""
    stacks = []
    for number, line in enumerate(text.splitlines(), 1):
        stack, space, count = line.rpartition(" ")
        if not space or not count.isdigit():
            raise ValueError(f"line {number} has no count: {line!r}")
        stacks.append((tuple(stack.split(";")), int(count)))
    return stacks


def total(stacks, keep=lambda frames: True):
    return sum(count for frames, count in stacks if keep(frames))


def share(stacks, function):
    """Part of all samples, 0 to 1, that have `function` anywhere on the stack."""
    everything = total(stacks)
    return total(stacks, lambda frames: function in frames[1:]) / everything if everything else 0.0
