# SPDX-License-Identifier: Apache-2.0
"""Reads pprof files for the tests, straight from the wire format.

It shares no code with kiln's encoder and needs no package, so that it can disagree with kiln. Broken input raises
ValueError: unknown ids, indices past the end of the string table, truncated fields.
"""

import dataclasses
import gzip

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclasses.dataclass(frozen=True, order=True)
class Frame:
    """One location. `names` are its lines' functions, innermost inlined first; empty if it has no name."""

    names: tuple
    mapping: str  # file name of the mapping, "" if it has none
    address: int

    @property
    def name(self):
        """The function that the code was compiled into, as a symbol table has it."""
        return self.names[-1] if self.names else ""

    @property
    def is_kernel(self):
        return self.mapping.startswith("[kernel")


@dataclasses.dataclass(frozen=True)
class Sample:
    frames: tuple  # leaf first
    labels: dict  # text or int
    count: int  # the value of type "samples"

    def has(self, function):
        return any(function in frame.names for frame in self.frames)


@dataclasses.dataclass(frozen=True)
class Profile:
    samples: list
    sample_types: list  # (type, unit)
    period_type: tuple
    period: int
    duration_ns: int
    properties: dict  # comments "key=value"
    mappings: list  # (file name, build id)

    def where(self, keep):
        """The same profile with those samples for which keep(sample) holds."""
        return dataclasses.replace(self, samples=[sample for sample in self.samples if keep(sample)])

    def of_process(self, *pids):
        return self.where(lambda sample: sample.labels.get("process.pid") in pids)

    def count(self, keep=lambda sample: True):
        return sum(sample.count for sample in self.samples if keep(sample))

    def share(self, function):
        """Part of all samples, 0 to 1, that have `function` anywhere on the stack."""
        total = self.count()
        return self.count(lambda sample: sample.has(function)) / total if total else 0.0

    def self_shares(self, key=lambda frame: frame.name):
        """Part of all samples per function that was running itself; inlined functions count for their caller. With
        another `key`, per what that makes of the leaf frame."""
        shares = {}
        total = self.count()
        for sample in self.samples:
            name = key(sample.frames[0]) if sample.frames else ""
            shares[name] = shares.get(name, 0) + sample.count / total
        return shares

    def labels(self, key):
        """The different values of one label."""
        return {sample.labels[key] for sample in self.samples if key in sample.labels}


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError(f"varint cut at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _fields(data):
    """Yields (field number, wire type, value): an int, or bytes for wire type BYTES."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, at = _varint(data, at)
        else:
            if wire_type == BYTES:
                size, at = _varint(data, at)
            elif wire_type in (FIXED64, FIXED32):
                size = 8 if wire_type == FIXED64 else 4
            else:
                raise ValueError(f"field {number} has wire type {wire_type}")
            if at + size > len(data):
                raise ValueError(f"field {number} is cut")
            value = data[at : at + size]
            at += size
        yield number, wire_type, value


def _message(data, repeated=()):
    """A message as {field number: last value}; fields in `repeated` as lists, packed integers unpacked."""
    message = {number: [] for number in repeated}
    for number, wire_type, value in _fields(data):
        if number in repeated:
            message[number].append((wire_type, value))
        else:
            message[number] = value
    return message


def _integers(entries):
    values = []
    for wire_type, value in entries:
        if wire_type == VARINT:
            values.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            values.append(number)
    return values


def _by_id(entries, what, repeated=()):
    table = {}
    for _, data in entries:
        message = _message(data, repeated)
        identity = message.get(1, 0)
        if identity == 0 or identity in table:
            raise ValueError(f"{what} id {identity} is zero or there twice")
        table[identity] = message
    return table


def _get(table, key, what):
    if isinstance(table, list) and not 0 <= key < len(table) or isinstance(table, dict) and key not in table:
        raise ValueError(f"{what} {key} does not exist")
    return table[key]


def parse(data):
    """The profile in `data`, gzip'ed or plain."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    top = _message(data, repeated=(1, 2, 3, 4, 5, 6, 13))
    strings = [value.decode("utf-8") for _, value in top[6]]
    if not strings or strings[0] != "":
        raise ValueError("string 0 is not empty")

    def text(index):
        return _get(strings, index, "string")

    def value_type(message):
        return text(message.get(1, 0)), text(message.get(2, 0))

    mappings = _by_id(top[3], "mapping")
    functions = _by_id(top[5], "function")
    frames = {}
    for identity, location in _by_id(top[4], "location", repeated=(4,)).items():
        mapping = location.get(2, 0)
        lines = [_message(line) for _, line in location[4]]
        frames[identity] = Frame(
            names=tuple(text(_get(functions, line.get(1, 0), "function").get(2, 0)) for line in lines),
            mapping=text(_get(mappings, mapping, "mapping").get(5, 0)) if mapping else "",
            address=location.get(3, 0),
        )

    sample_types = [value_type(_message(value)) for _, value in top[1]]
    count_index = [kind for kind, _ in sample_types].index("samples")
    samples = []
    for _, data in top[2]:
        message = _message(data, repeated=(1, 2, 3))
        values = _integers(message[2])
        if len(values) != len(sample_types):
            raise ValueError(f"a sample has {len(values)} values for {len(sample_types)} types")
        labels = {}
        for _, label in message[3]:
            label = _message(label)
            labels[text(label.get(1, 0))] = text(label[2]) if label.get(2, 0) else _signed(label.get(3, 0))
        stack = tuple(_get(frames, identity, "location") for identity in _integers(message[1]))
        samples.append(Sample(stack, labels, _signed(values[count_index])))

    comments = [text(index) for index in _integers(top[13])]
    return Profile(
        samples=samples,
        sample_types=sample_types,
        period_type=value_type(_message(top.get(11, b""))),
        period=_signed(top.get(12, 0)),
        duration_ns=_signed(top.get(10, 0)),
        properties=dict(comment.split("=", 1) for comment in comments if "=" in comment),
        mappings=[(text(m.get(5, 0)), text(m.get(6, 0))) for m in mappings.values()],
    )


def read(path):
    with open(path, "rb") as file:
        return parse(file.read())
