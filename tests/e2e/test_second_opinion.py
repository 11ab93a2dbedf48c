# SPDX-License-Identifier: Apache-2.0
"""Stacks as kiln finds them from outside and as libunwind finds them in the program itself
(tests/programs/unwind/second_opinion.cc): the same addresses, frame by frame."""

import os
import unittest

import chains
import harness

PROGRAM = "unwind/second_opinion"


def file_name(path):
    return os.path.basename(os.path.realpath(path))


class SecondOpinionTest(harness.KilnTest):
    def agree(self, frames, opinion):
        """Frames point into the call that the return address follows, but for one that a signal interrupted."""
        return len(frames) == len(opinion) and all(
            file_name(frame.mapping) == file and frame.address in (address, address - 1)
            for frame, (file, address) in zip(frames, opinion)
        )

    def test_same_stacks_as_libunwind(self):
        self.require(os.path.exists(harness.program(PROGRAM)), "no libunwind")
        recording = self.record_load(PROGRAM, 2000)
        opinions = [[(file_name(file), address) for file, address in stack] for stack in recording.truth["stacks"]]
        seen = [0] * len(opinions)
        unknown = {}
        for sample in recording.profile.samples:
            frames = chains.user_frames(sample)
            names = [frame.name for frame in frames[:2]]
            if names != ["burn", "burns"]:
                self.assertNotEqual(names[:1], ["burn"], chains.text(frames))
                continue
            # The call in `burns` is another one: libunwind was called just before.
            match = [at for at, opinion in enumerate(opinions) if self.agree(frames[2:], opinion[1:])]
            if match:
                seen[match[0]] += sample.count
            else:
                stack = chains.text(frames)
                unknown[stack] = unknown.get(stack, 0) + sample.count
        self.assertEqual(unknown, {})
        for opinion, samples in zip(opinions, seen):
            self.assertGreater(samples, 0, f"never seen: {opinion}")
        self.assertGreater(sum(seen), 0.9 * harness.HZ * recording.truth["burned_ns"] / 1e9)


if __name__ == "__main__":
    unittest.main()
