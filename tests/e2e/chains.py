# SPDX-License-Identifier: Apache-2.0
"""Compares stacks with the chains that a program declares (unwind_programs.py).

A chain is written leaf first, in words parted by spaces: `name` is one frame of that function, `[text]` one frame in a
file whose path contains text, whatever its name; `...` is any number of frames, none included. `word*3` and
`(word word)*3` repeat, `word+` is one or more. A name that has spaces is written with `_` instead of them.
"""

import dataclasses
import re

CUT = "[truncated: "


@dataclasses.dataclass(frozen=True)
class Element:
    """Frames of one kind in a chain. `repeats`: any number of them, none included; otherwise just one."""

    name: str = ""
    file: str = ""
    repeats: bool = False

    def fits(self, frame):
        if self.name:
            return frame.name.replace(" ", "_") == self.name
        return self.file in frame.mapping and not frame.name.startswith(CUT)


def parse(chain):
    """The elements of a chain, leaf first. Raises ValueError for a chain that is not well formed."""
    elements = []
    for group, group_count, word in re.findall(r"\(((?:\S+ )+\S+)\)\*(\d+)(?: |$)|(\S+)", chain):
        if group:
            elements += parse(group) * int(group_count)
            continue
        base, times, count = word.rpartition("*")
        if times and count.isdigit():
            elements += parse(base) * int(count)
        elif word == "...":
            elements.append(Element(repeats=True))
        elif word.endswith("+"):
            (one,) = parse(word[:-1])
            elements += [one, dataclasses.replace(one, repeats=True)]
        elif word.startswith("[") and word.endswith("]"):
            elements.append(Element(file=word[1:-1]))
        elif word[0] in "(*":
            raise ValueError(f"not a word of a chain: {word}")
        else:
            elements.append(Element(name=word))
    return elements


class Chain:
    def __init__(self, text):
        self.text = text
        self.elements = parse(text)

    def _reach(self, positions):
        """Adds to positions those behind elements that may stand for no frame."""
        reached = set()
        for position in positions:
            reached.add(position)
            while position < len(self.elements) and self.elements[position].repeats:
                position += 1
                reached.add(position)
        return reached

    def _matches(self, frames, positions):
        for frame in frames:
            following = set()
            for position in self._reach(positions):
                if position < len(self.elements) and self.elements[position].fits(frame):
                    following.add(position if self.elements[position].repeats else position + 1)
            positions = following
            if not positions:
                return False
        return len(self.elements) in self._reach(positions)

    def matches(self, frames):
        """Whether `frames`, leaf first, are this chain from its leaf to its end."""
        return self._matches(frames, {0})

    def ends_as(self, frames):
        """Whether `frames`, leaf first and not empty, are the rest of this chain from some frame on."""
        starts = {at for at, element in enumerate(self.elements) if element.fits(frames[0])}
        return self._matches(frames, starts)

    @property
    def names(self):
        """The names of functions in the chain."""
        return {element.name for element in self.elements if element.name}


def user_frames(sample):
    """The frames of a sample outside of the kernel, leaf first."""
    return [frame for frame in sample.frames if not frame.is_kernel]


def cut_reason(sample):
    """Why the stack is cut, or "" if it is complete."""
    if not sample.frames or not sample.frames[-1].name.startswith(CUT):
        return ""
    return sample.frames[-1].name[len(CUT) : -1]


def text(frames, most=14):
    """A stack in one line, leaf first, without its middle if it is long."""
    names = [frame.name or f"({frame.mapping.rsplit('/', 1)[-1]} {frame.address:#x})" for frame in frames]
    if len(names) > most:
        half = most // 2
        names = [*names[:half], f"… {len(names) - 2 * half} more …", *names[-half:]]
    return " ← ".join(names)
