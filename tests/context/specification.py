# SPDX-License-Identifier: Apache-2.0
"""Reads process and thread contexts of another process, written after the texts of OTEP 4719 and OTEP 4947 alone: it
shares nothing with the code that publishes, nor with kiln's own reader. x86-64; the thread's variable has to be one of
the executable."""

import ctypes
import os
import struct

HEADER = struct.Struct("=8sIIQQ")  # signature, version, payload size, published at, payload
RECORD = struct.Struct("=16s8sBBH")  # trace id, span id, valid, trace flags, size of attributes
NAMES = ("[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX")


class Problem(Exception):
    """What is published is not what the specification says."""


class Memory:
    def __init__(self, pid):
        self.pid = pid
        self.fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)

    def read(self, address, size):
        """None if not all of it is there."""
        try:
            data = os.pread(self.fd, size, address)
        except (OSError, OverflowError):
            return None
        return data if len(data) == size else None

    def close(self):
        os.close(self.fd)


# Process context: OTEP 4719, "Reading Protocol".


def find_mappings(pid):
    """[(start, end, permissions)]"""
    found = []
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            if len(words) > 5 and words[5].startswith(NAMES):
                start, end = (int(part, 16) for part in words[0].split("-"))
                found.append((start, end, words[1]))
    return found


def read_payload(memory, mapping):
    """(published at, payload); None if it changed meanwhile: try again."""
    data = memory.read(mapping, HEADER.size)
    if data is None:
        raise Problem("the mapping cannot be read")
    signature, version, size, published, payload = HEADER.unpack(data)
    if signature != b"OTEL_CTX" or version != 2:
        raise Problem(f"signature {signature}, version {version}")
    if published == 0:
        return None
    # Each part once more, in the order of the protocol: the above was one read, in no order.
    (published,) = struct.unpack("=Q", memory.read(mapping + 16, 8))
    (size,) = struct.unpack("=I", memory.read(mapping + 12, 4))
    (payload,) = struct.unpack("=Q", memory.read(mapping + 24, 8))
    content = memory.read(payload, size)
    (again,) = struct.unpack("=Q", memory.read(mapping + 16, 8))
    if published == 0 or again != published:
        return None
    if content is None:
        raise Problem("a payload that cannot be read")
    return published, content


def fields(message):
    """[(number, bytes)]: strings and messages; other wire types are none of ours."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 != 2:
            raise Problem(f"wire type {tag & 7}")
        size = varint()
        if at + size > len(message):
            raise Problem("a field beyond the end")
        found.append((tag >> 3, message[at : at + size]))
        at += size
    return found


def any_value(message):
    ((number, content),) = fields(message)
    if number == 1:
        return content.decode()
    if number == 5:
        return [any_value(value) for _, value in fields(content)]
    raise Problem(f"a value of kind {number}")


def key_value(message):
    (one, key), (two, value) = fields(message)
    if (one, two) != (1, 2):
        raise Problem("not a KeyValue")
    return key.decode(), any_value(value)


def parse_process_context(payload):
    """({resource attributes}, {further attributes})"""
    resource, attributes = [], []
    for number, content in fields(payload):
        if number == 1:
            resource += [key_value(pair) for _, pair in fields(content)]
        elif number == 2:
            attributes.append(key_value(content))
        else:
            raise Problem(f"field {number}")
    if len(dict(resource)) != len(resource) or len(dict(attributes)) != len(attributes):
        raise Problem("a key twice")
    return dict(resource), dict(attributes)


# Thread context: OTEP 4947, "Reading Protocol".


def thread_variable_offset(path):
    """From the thread pointer to otel_thread_ctx_v1, for the variable of an executable: what is before the thread
    pointer is the block of its TLS segment (x86-64, TLS variant II)."""
    with open(path, "rb") as file:
        data = file.read()
    (section_offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    program_offset, program_size, program_count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, section_offset + i * size) for i in range(count)]
    value = None
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 11:  # SHT_DYNSYM
            continue
        strings = sections[link][4]
        for at in range(offset, offset + length, entry):
            name, info, _, section, address, extent = struct.unpack_from("<IBBHQQ", data, at)
            end = data.index(b"\0", strings + name)
            if data[strings + name : end] == b"otel_thread_ctx_v1" and section != 0:
                if info & 15 != 6 or extent != 8:
                    raise Problem(f"symbol of type {info & 15}, {extent} bytes")
                value = address
    if value is None:
        raise Problem("no such symbol in .dynsym")
    for i in range(program_count):
        kind, _, _, _, _, _, memory, align = struct.unpack_from("<IIQQQQQQ", data, program_offset + i * program_size)
        if kind == 7:  # PT_TLS
            return value - (memory + align - 1) // align * align
    raise Problem("no TLS segment")


def read_record(memory, variable):
    """(trace id, span id, flags, {key index: value}) of a thread that is stopped; None = no context."""
    (record,) = struct.unpack("=Q", memory.read(variable, 8))
    if record == 0:
        return None
    if record % 2 != 0:
        raise Problem("a record at an odd address")
    trace, span, valid, flags, size = RECORD.unpack(memory.read(record, RECORD.size))
    if valid != 1:
        return None
    if RECORD.size + size > 640:
        raise Problem(f"{size} bytes of attributes")
    data = memory.read(record + RECORD.size, size)
    attributes, at = {}, 0
    while at + 2 <= size and at + 2 + data[at + 1] <= size:
        attributes[data[at]] = data[at + 2 : at + 2 + data[at + 1]].decode()
        at += 2 + data[at + 1]
    if at != size:
        raise Problem("a truncated attribute")
    return trace, span, flags, attributes


class StoppedThread:
    """with thread: … the thread stands still, thread.pointer is its thread pointer."""

    SEIZE, INTERRUPT, CONT, GETREGS, DETACH = 0x4206, 0x4207, 7, 12, 17
    WALL = 0x40000000
    FS_BASE = 21  # of struct user_regs_struct
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    ptrace.restype = ctypes.c_long

    def __init__(self, tid):
        self.tid = tid
        self._call(self.SEIZE)

    def _call(self, request, data=None):
        if self.ptrace(request, self.tid, None, data) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"ptrace {request:#x}: {os.strerror(error)}")

    def __enter__(self):
        self._call(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)
        registers = (ctypes.c_ulong * 27)()
        self._call(self.GETREGS, ctypes.cast(registers, ctypes.c_void_p))
        self.pointer = registers[self.FS_BASE]
        return self

    def __exit__(self, *_):
        self._call(self.CONT)

    def release(self):
        self._call(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)
        self._call(self.DETACH)
