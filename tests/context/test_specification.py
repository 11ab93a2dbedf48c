# SPDX-License-Identifier: Apache-2.0
"""What the SDK publishes, read by a reader that knows the specification alone, while it changes all the time."""

import contextlib
import os
import platform
import subprocess
import unittest

import specification

READS = 3000
SPANS = 20
SPECIFICATION_KEYS = ("threadlocal.schema_version", "threadlocal.attribute_key_map")


@unittest.skipUnless(platform.machine() == "x86_64", "the reader knows TLS and registers of x86-64 alone")
class SpecificationTest(unittest.TestCase):
    def setUp(self):
        self.program = os.environ["KILN_CONTEXT_CHANGING"]
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.end)
        self.tid = int(self.process.stdout.readline().split()[1])
        self.memory = specification.Memory(self.process.pid)
        self.addCleanup(self.memory.close)

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait()

    def rates(self):
        """Ends the program; changes of the process's and the thread's context per second."""
        self.process.stdin.close()
        of_process, of_thread, seconds = self.process.stdout.readline().split()
        self.assertEqual(self.process.wait(), 0)
        return int(of_process) / float(seconds), int(of_thread) / float(seconds)

    def test_process_context_is_whole_whenever_it_is_accepted(self):
        mappings = specification.find_mappings(self.process.pid)
        self.assertEqual(len(mappings), 1, mappings)
        start, end, permissions = mappings[0]
        self.assertNotIn("x", permissions)
        accepted, refused, before, counts = 0, 0, 0, set()
        while accepted < READS:
            found = specification.read_payload(self.memory, start)
            if found is None:
                refused += 1
                continue
            accepted += 1
            published, payload = found
            self.assertGreaterEqual(published, before)
            before = published
            resource, attributes = specification.parse_process_context(payload)
            self.assertEqual(set(resource), {"service.name", "count", "count.again", "text"})
            self.assertEqual(resource["count"], resource["count.again"])
            self.assertEqual(resource["text"], "x" * (int(resource["count"]) % 1000))
            self.assertEqual(tuple(attributes), SPECIFICATION_KEYS)
            self.assertEqual(attributes[SPECIFICATION_KEYS[0]], "tlsdesc_v1_dev")
            counts.add(resource["count"])
        self.assertGreater(len(counts), 1, "it never changed")
        of_process, _ = self.rates()
        print(f"{accepted} reads of {len(counts)} contexts accepted, {refused} refused; {of_process:,.0f} changes a second")

    def test_thread_context_is_whole_whenever_the_thread_is_stopped(self):
        offset = specification.thread_variable_offset(self.program)
        mapping = specification.find_mappings(self.process.pid)[0][0]
        keys = None
        while keys is None or set(keys) != {"text", "more"}:
            found = specification.read_payload(self.memory, mapping)
            if found is not None:
                keys = specification.parse_process_context(found[1])[1][SPECIFICATION_KEYS[1]]
        thread = specification.StoppedThread(self.tid)
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.callback(thread.release)
        spans, stops, empty = set(), 0, 0
        # The thread gets little done between two stops.
        while stops < READS or len(spans) < SPANS:
            stops += 1
            os.sched_yield()
            with thread:
                record = specification.read_record(self.memory, thread.pointer + offset)
            if record is None:
                empty += 1
                continue
            trace, span, flags, attributes = record
            self.assertEqual((trace, span), (bytes([flags]) * 16, bytes([flags]) * 8))
            self.assertEqual(attributes[keys.index("text")], chr(ord("a") + flags % 26) * flags)
            more = attributes[keys.index("more")]
            self.assertEqual(more[1:], "x" * (ord(more[0]) - ord("a")))
            spans.add(flags)
        stack.close()
        _, of_thread = self.rates()
        print(f"{stops} stops, {len(spans)} spans, {empty} times none; {of_thread:,.0f} changes a second")


if __name__ == "__main__":
    unittest.main()
