# SPDX-License-Identifier: Apache-2.0
"""Runs kiln symbolize, addr2line, llvm-symbolizer and llvm-dwarfdump, and brings their answers into one form: per address
a tuple of frames, innermost inlined function first; empty if there is no name."""

import bisect
import functools
import json
import posixpath
import random
import re
import subprocess
import typing


class Frame(typing.NamedTuple):
    name: str  # as in the symbol table or DW_AT_linkage_name, else DW_AT_name
    file: str  # normal form, "" = not known
    line: int  # 0 = not known


def normal(path):
    return posixpath.normpath(path) if path else ""


def _ask(command, addresses):
    text = "".join(f"{address:#x}\n" for address in addresses)
    done = subprocess.run(command, input=text, capture_output=True, text=True, errors="surrogateescape", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def kiln(program, binary, addresses):
    command = [program, "symbolize", "--json", "--no-demangle", "-e", binary.inside or binary.exe, *binary.kiln]
    if binary.section:
        command += ["-j", binary.section]
    answers = []
    for line in _ask(command, addresses).splitlines():
        answer = json.loads(line)
        answers.append(
            tuple(
                Frame(frame["function"], normal(frame.get("file", "")), frame.get("line", 0)) for frame in answer["lines"]
            )
        )
    return answers


def addr2line(file, addresses, section=""):
    """Of GNU binutils."""
    command = ["addr2line", "-a", "-f", "-i", "-e", file, *(["-j", section] if section else [])]
    return parse_addr2line(_ask(command, addresses))


def parse_addr2line(text):
    answers = []
    lines = iter(text.split("\n"))
    frames = None
    for line in lines:
        if re.fullmatch(r"0x[0-9a-f]{16}", line):
            frames = []
            answers.append(frames)
        elif line:
            place = re.sub(r" \(discriminator \d+\)$", "", next(lines))
            file, _, number = place.rpartition(":")
            name = "" if line == "??" else line
            file = "" if file == "??" else file
            if name or file:
                frames.append(Frame(name, normal(file), int(number) if number.isdigit() else 0))
    return [tuple(frames) for frames in answers]


def llvm_symbolizer(file, addresses):
    command = ["llvm-symbolizer-16", "--inlining", "--no-demangle", "--output-style=JSON", "-e", file]
    return parse_llvm_symbolizer(_ask(command, addresses))


def parse_llvm_symbolizer(text):
    answers = []
    for line in text.splitlines():
        answer = json.loads(line)
        if isinstance(answer, list):
            answer = answer[0]
        frames = (
            Frame(symbol["FunctionName"], normal(symbol["FileName"]), symbol["Line"]) for symbol in answer.get("Symbol", ())
        )
        answers.append(tuple(frame for frame in frames if frame.name or frame.file))
    return answers


class Raw(typing.NamedTuple):
    """What the DWARF says, as llvm-dwarfdump prints it."""

    has_unit: bool
    # One of the two is not empty if a function covers the address: the innermost one.
    function: str  # a subprogram
    inlined: str  # an inlined function
    file: str  # of the row of the line table, the last part alone
    line: int
    column: int


def raw_dwarf(file, address, shared=""):
    """`shared` is the file of .gnu_debugaltlink, which llvm-dwarfdump does not follow."""
    done = subprocess.run(
        ["llvm-dwarfdump-16", f"--lookup={address:#x}", file], capture_output=True, text=True, errors="surrogateescape"
    )
    raw = parse_raw(done.stdout)
    if not shared or raw.function or raw.inlined:
        return raw
    last = re.findall(r"DW_TAG_(inlined_subroutine|subprogram)(?:(?!DW_TAG).)*?DW_AT_abstract_origin\s+\((<alt )?(0x[0-9a-f]+)[>)]", done.stdout, re.DOTALL)
    if not last:
        return raw
    tag, in_shared, offset = last[-1]
    name = name_of_entry(file, shared, int(offset, 16), bool(in_shared))
    return raw._replace(inlined=name) if tag == "inlined_subroutine" else raw._replace(function=name)


@functools.lru_cache(maxsize=None)
def name_of_entry(file, shared, offset, in_shared, steps=8):
    """The name of a function whose entry, or the string with its name, stands in the file that dwz shares; unpacked."""
    here = shared if in_shared else file
    done = subprocess.run(
        ["llvm-dwarfdump-16", "-v", f"--debug-info={offset:#x}", here], capture_output=True, text=True, errors="surrogateescape"
    )
    names, following = {}, ""
    for kind, value in re.findall(r"^ +DW_AT_(linkage_name|name|abstract_origin|specification) \[\w+\]\s+\((.*)\)$", done.stdout, re.MULTILINE):
        text = re.search(r'"(.*)"$', value)
        elsewhere = re.search(r"^alt indirect string, offset: (0x[0-9a-f]+)", value)
        entry = re.search(r"^<alt (0x[0-9a-f]+)>|\{(0x[0-9a-f]+)\}|^(0x[0-9a-f]+)", value)
        if kind in ("linkage_name", "name"):
            names[kind] = text.group(1) if text else string_at(shared, int(elsewhere.group(1), 16)) if elsewhere else ""
        elif entry:
            target = next(group for group in entry.groups() if group)
            following = name_of_entry(file, shared, int(target, 16), in_shared or bool(entry.group(1)), steps - 1) if steps else ""
    if names.get("linkage_name"):
        return names["linkage_name"]
    return following if following.startswith(("_Z", "_R")) or not names.get("name") else names["name"]


@functools.lru_cache(maxsize=None)
def strings_of(file):
    out = subprocess.run(["readelf", "-SW", file], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\.debug_str +PROGBITS +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", out)
    with open(file, "rb") as content:
        content.seek(int(found.group(1), 16))
        return content.read(int(found.group(2), 16))


def string_at(file, offset):
    strings = strings_of(file)
    return strings[offset : strings.index(b"\0", offset)].decode(errors="surrogateescape")


def parse_raw(text):
    function, inlined, tag = "", "", ""
    for line in text.splitlines():
        found = re.match(r"0x[0-9a-f]+: +DW_TAG_(\w+)", line)
        if found:
            tag = found.group(1)
            name = ""
            continue
        found = re.match(r' +DW_AT_(linkage_name|MIPS_linkage_name|name|abstract_origin|specification)\s+\((?:0x[0-9a-f]+ )?"(.*)"\)', line)
        if found and (not name or "linkage" in found.group(1) or found.group(1) == "abstract_origin"):
            name = found.group(2)
            if tag == "subprogram":
                function = name
            elif tag == "inlined_subroutine":
                inlined = name
    place = re.search(r"^Line info: file '(.*?)', line (\d+)(?:, column (\d+))?", text, re.MULTILINE)
    return Raw(
        has_unit="DW_TAG_compile_unit" in text or "DW_TAG_partial_unit" in text or "DW_TAG_skeleton_unit" in text,
        function=function,
        inlined=inlined,
        file=place.group(1) if place else "",
        line=int(place.group(2)) if place else 0,
        column=int(place.group(3) or 0) if place else 0,
    )


class Section(typing.NamedTuple):
    name: str
    address: int
    size: int
    index: str


def code_sections(file):
    """Sections that are executed."""
    out = subprocess.run(["readelf", "-SW", file], capture_output=True, text=True, check=True).stdout
    sections = []
    for line in out.splitlines():
        found = re.match(r" +\[ *(\d+)\] (\S+) +(PROGBITS|NOBITS) +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +(\w*X\w*)", line)
        if found:
            sections.append(Section(found.group(2), int(found.group(4), 16), int(found.group(5), 16), found.group(1)))
    return [section for section in sections if section.size]


def random_addresses(file, count, seed, section=""):
    """Distinct ones, in any order, in the code of `file`; with `section` from its start. All if there are not as many."""
    sections = [found for found in code_sections(file) if not section or found.name == section]
    total = sum(found.size for found in sections)
    chosen = random.Random(seed).sample(range(total), min(count, total))
    addresses = []
    for at in chosen:
        for found in sections:
            if at < found.size:
                addresses.append(at if section else found.address + at)
                break
            at -= found.size
    return addresses


class Symbols:
    """Names of the symbol table by address, as readelf prints them."""

    def __init__(self, *files):
        self.functions = []  # (start, end, name)
        self.ifuncs = set()  # names
        self.sections = code_sections(files[0])
        for file in files:
            # Other symbols have addresses that mean something else: offsets in debug information, for instance.
            code = {section.index for section in code_sections(file)}
            out = subprocess.run(["readelf", "-sW", file], capture_output=True, text=True, errors="surrogateescape").stdout
            for line in out.splitlines():
                found = re.match(r" *\d+: ([0-9a-f]+) +(\d+|0x[0-9a-f]+) (\w+) +\w+ +\w+ +(\w+) (\S+)", line)
                if not found or found.group(3) in ("SECTION", "FILE", "OBJECT", "TLS") or found.group(4) not in code:
                    continue
                start, size = int(found.group(1), 16), int(found.group(2), 0)
                if found.group(3) == "IFUNC":
                    self.ifuncs.add(found.group(5).split("@")[0])
                self.functions.append((start, start + size, found.group(5).split("@")[0]))
        self.functions.sort()
        self.starts = [start for start, _, _ in self.functions]

    def at(self, address):
        """All names whose range has the address, and those without size that are the nearest below in its section."""
        names = set()
        end = bisect.bisect_right(self.starts, address)
        nearest = self.functions[end - 1][0] if end else None
        begin = max((section.address for section in self.sections if section.address <= address), default=0)
        if nearest is not None and nearest < begin:
            nearest = None
        for start, stop, name in self.functions[max(0, end - 200) : end]:
            if start <= address < stop or (start == stop and start == nearest):
                names.add(name)
        return names


def plt_stubs(file):
    """{address: name} of the first bytes of PLT stubs, as objdump names them: "puts@plt"."""
    out = subprocess.run(["objdump", "-d", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", "-j", ".iplt", file], capture_output=True, text=True)
    return {
        int(found.group(1), 16): found.group(2)
        for found in re.finditer(r"^([0-9a-f]{16}) <([^>]+@plt)(?:\+0x[0-9a-f]+)?>:", out.stdout, re.MULTILINE)
    }
