# SPDX-License-Identifier: Apache-2.0
"""Why kiln and another program name an address differently. Each difference - the number of frames, or one field of one
frame - is given a class by a rule, or none: then the comparison fails. A class says why kiln is right."""

import functools
import re
import subprocess

CLASSES = {
    "clone suffix": "The symbol of a part or a copy of a function has a suffix (.isra.0, .cold, .lto_priv.0, .abi0, "
    "@VERSION). DWARF has the function's own name, which the parts share; kiln takes that.",
    "addr2line: symbol for an inlined function": "addr2line prints the symbol of the machine function in place of the "
    "innermost inlined function's name if DWARF has no linkage name for that. llvm-symbolizer, or DWARF, has kiln's name.",
    "llvm-symbolizer: symbol for the function": "llvm-symbolizer replaces the outermost function's name by the symbol at "
    "the address: where several functions share their code (ICF), or have aliases, by another one than DWARF's.",
    "alias": "Several symbols name the address. kiln chooses by the fixed rule of symbolizer/symbol_table.h.",
    "qualified name": "DWARF has no linkage name (gcc leaves those of local functions out). The other program prints "
    "DW_AT_name alone; kiln puts the namespaces and classes before it that the function is declared in.",
    "symbol of a function without linkage name": "The same, for a function with code of its own: one program "
    "prints its symbol, or that of a part or copy, the other the name in DWARF. Demangled they are the same.",
    "file of a symbol": "No line table covers the address. The other program prints the name of the STT_FILE symbol that "
    "stands before the symbol, with line 0 or ?: it is no path, and often that of another unit.",
    "beyond the symbol": "No function of DWARF and no symbol's size covers the address (PLT, padding). The other program "
    "takes the nearest symbol below.",
    "padding": "The line table's last row reaches to the next function, over padding that no function covers. kiln names "
    "code of functions only.",
    "addr2line: inlined functions not seen": "addr2line reads no index into .debug_rnglists (DW_FORM_rnglistx), so that it "
    "misses inlined functions. llvm-symbolizer sees what kiln sees.",
    "addr2line: no inlined functions of partial units": "addr2line loses inlined functions whose abstract entries stand in "
    "another unit. llvm-symbolizer or DWARF has what kiln has.",
    "addr2line: no lines of DWARF 5 of Go": "addr2line takes the unit's name (go.go) for the file, and line 0.",
    "addr2line: wrong file": "addr2line takes file numbers of DWARF 5 off by one in some units, or keeps the file of an "
    "earlier row. llvm-symbolizer and the row of the line table have kiln's file.",
    "addr2line: nearest entry": "addr2line takes the function with the smallest range that has the address, and so another "
    "one than the innermost where ranges overlap. llvm-symbolizer or DWARF has what kiln has.",
    "llvm-symbolizer: does not read it": "llvm-symbolizer 16 does not follow .gnu_debugaltlink, and reads no section of the "
    "old kind of compression (.zdebug_*) that GNU tools wrote. addr2line has what kiln has.",
    "llvm-symbolizer: relative folder": "llvm-symbolizer does not put the unit's folder before a folder of the line table "
    "that is relative. The standard says so, and addr2line does.",
    "llvm-symbolizer: names its own way": "llvm-symbolizer prints no name for a function whose name DWARF gives through "
    "another unit. addr2line, or the symbol table, has kiln's name.",
    "Go: up to the next function": "Go's table of functions, which kiln names Go code by, knows no ends: padding counts to "
    "the function before, as for Go's own runtime.FuncForPC and for addr2line. DWARF leaves it out.",
    "PLT stub": "kiln names stubs of the PLT after what they call, as objdump does. The other program has nothing, or "
    "the symbol before.",
}


def plain(name):
    """Without what compilers, linkers and versions append."""
    name = name.split("@")[0]
    return re.sub(r"(\.(cold|isra|part|constprop|lto_priv|llvm|localalias|abi0|abiinternal|__uniq|\d+))+(\.\d+)*$", "", name)


def base(path):
    return path.rsplit("/", 1)[-1]


class Case:
    """One address: what each says, and what decides between them."""

    def __init__(self, address, kiln, others, symbols, raw, stubs, ifuncs):
        self.address = address
        self.kiln = kiln
        self.others = others  # {"addr2line": frames, "llvm": frames}
        self.symbols = symbols  # names at the address
        self.stubs = stubs  # of the PLT: {start: name}
        self.ifuncs = ifuncs  # names
        self._raw = raw
        self._raw_answer = None

    def raw(self):
        if self._raw_answer is None:
            self._raw_answer = self._raw(self.address)
        return self._raw_answer

    def backed(self, who):
        """Whether something other than `who` says what kiln says: what DWARF has at the address, else the third program."""
        if self.raw() is not None:
            return self.raw_agrees()
        return same(self.kiln, self.others["llvm" if who == "addr2line" else "addr2line"], self.symbols)

    def raw_agrees(self):
        raw = self.raw()
        if raw is None or not self.kiln:
            return False
        if not raw.function and not raw.inlined and not raw.line:
            return bool(self.symbols) and len(self.kiln) == 1 and plain(self.kiln[0].name) in {plain(n) for n in self.symbols}
        first, last = self.kiln[0], self.kiln[-1]
        if first.line != raw.line or base(first.file) != base(raw.file):
            return False
        if raw.inlined:
            return len(self.kiln) > 1 and same_name(first.name, raw.inlined)
        # A part that was split off has the name of its function, its symbol another one.
        own = {plain(name) for name in self.symbols}
        return len(self.kiln) == 1 and (same_name(first.name, raw.function) or plain(last.name) in own)


def same_name(kiln, other):
    a, b = plain(kiln), plain(other)
    return a == b or (b != "" and a.endswith("::" + b)) or (not b.startswith(("_Z", "_R")) and is_symbol_of(a, b))


@functools.lru_cache(maxsize=None)
def demangled(symbol):
    return subprocess.run(["c++filt", "--", plain(symbol)], capture_output=True, text=True).stdout.strip()


def is_symbol_of(symbol, kiln):
    """Whether kiln's name, of DWARF alone, is what `symbol` means. Of the names the last part alone is compared: compilers
    and demanglers write template arguments and lambdas differently."""
    if not symbol.startswith(("_Z", "_R")):
        return False
    if not kiln:
        return False
    if "operator" in kiln:
        return "operator" in demangled(symbol)
    name, depth = "", 0
    for c in kiln.replace("->", ""):
        depth += (c == "<") - (c == ">")
        if depth == 0 and c != ">":
            name += c
    last = name.rsplit("::", 1)[-1].split("(")[0]
    return bool(last) and last in demangled(symbol)


def same(kiln, other, symbols):
    """Equal but for clone suffixes, missing namespaces, and a symbol of the address in the outermost frame."""
    if len(kiln) != len(other) or any(k[1:] != x[1:] for k, x in zip(kiln, other)):
        return False
    for i, (k, x) in enumerate(zip(kiln, other)):
        is_own = i == len(kiln) - 1 and x.name in symbols and (k.name in symbols or is_symbol_of(x.name, k.name))
        if not same_name(k.name, x.name) and not is_own:
            return False
    return True


def explain(case, who):
    """The classes of what differs between kiln and `who`; None if something has none."""
    kiln, other = case.kiln, case.others[who]
    symbols = {plain(name) for name in case.symbols}
    if len(kiln) == 1 and kiln[0].name.endswith("@plt"):
        # Stubs are 8 or 16 bytes long, and aligned so.
        stub = case.stubs.get(case.address & ~15) or case.stubs.get(case.address & ~7)
        # objdump names none of static programs: the function that such a stub calls is chosen at the start.
        chosen = stub is None and kiln[0].name.removesuffix("@plt") in case.ifuncs
        return {"PLT stub"} if stub == kiln[0].name or chosen else None
    if not kiln or not other:
        return _explain_missing(case, who, symbols)
    if len(kiln) != len(other):
        return _explain_length(case, who)
    found = set()
    for i, (k, x) in enumerate(zip(kiln, other)):
        if k.name != x.name:
            found.add(_explain_name(case, who, i, symbols))
        if k.file != x.file or k.line != x.line:
            found.add(_explain_place(case, who, i))
    return None if None in found else found


def _explain_missing(case, who, symbols):
    if case.kiln:
        third = case.others["addr2line"]
        if who == "llvm" and third and third[0].file == "go.go" and same_name(case.kiln[0].name, third[0].name):
            return {"Go: up to the next function"}
        if plain(case.kiln[-1].name) in symbols or case.backed(who):
            return {"llvm-symbolizer: names its own way" if who == "llvm" else "addr2line: nearest entry"}
        return None
    if symbols:
        return None
    raw = case.raw()
    if raw is not None and (raw.function or raw.inlined):
        return None
    if any(frame.line for frame in case.others[who]):
        return {"padding"}
    return {"beyond the symbol"}


def _explain_length(case, who):
    if not case.backed(who):
        return None
    kiln, other = case.kiln, case.others[who]
    if who == "llvm":
        return {"llvm-symbolizer: does not read it"}
    if len(other) == 1 and other[0].file == "go.go":
        return {"addr2line: no lines of DWARF 5 of Go"}
    if len(other) == 1 and plain(other[0].name) == plain(kiln[-1].name) and other[0][1:] == kiln[0][1:]:
        return {"addr2line: inlined functions not seen"}
    return {"addr2line: no inlined functions of partial units"}


def _explain_name(case, who, i, symbols):
    kiln, other = case.kiln[i].name, case.others[who][i].name
    if plain(kiln) == plain(other):
        return "clone suffix"
    if same_name(kiln, other):
        return "symbol of a function without linkage name" if kiln.startswith(("_Z", "_R")) else "qualified name"
    is_last = i == len(case.kiln) - 1
    if is_last and plain(other) in symbols and is_symbol_of(other, kiln):
        return "symbol of a function without linkage name"
    if is_last and plain(kiln) in symbols and plain(other) in symbols:
        return "alias" if not case.backed(who) or who == "addr2line" else "llvm-symbolizer: symbol for the function"
    if who == "addr2line" and i == 0 and not is_last and plain(other) in symbols and case.backed(who):
        return "addr2line: symbol for an inlined function"
    if who == "llvm" and is_last and plain(other) in symbols and case.backed(who):
        return "llvm-symbolizer: symbol for the function"
    if not other and case.backed(who):
        return "llvm-symbolizer: names its own way" if who == "llvm" else "addr2line: nearest entry"
    if case.backed(who):
        return "addr2line: nearest entry" if who == "addr2line" else "llvm-symbolizer: names its own way"
    return None


def _explain_place(case, who, i):
    kiln, other = case.kiln[i], case.others[who][i]
    if not kiln.file and not kiln.line and not other.line and "/" not in _own_part(other.file):
        return "file of a symbol"
    if other.file == "go.go":
        return "addr2line: no lines of DWARF 5 of Go"
    if who == "llvm" and kiln.line == other.line and kiln.file.endswith("/" + base(other.file)) and case.backed_place("addr2line", i):
        return "llvm-symbolizer: relative folder"
    if who == "addr2line" and case.backed_place("llvm", i):
        return "addr2line: wrong file"
    if case.backed(who):
        return "addr2line: wrong file" if who == "addr2line" else None
    return None


def _own_part(path):
    return base(path) if path.count("/") else path


def _backed_place(self, who, i):
    other = self.others[who]
    if len(other) == len(self.kiln) and other[i][1:] == self.kiln[i][1:]:
        return True
    raw = self.raw()
    return i == 0 and raw is not None and (base(self.kiln[0].file), self.kiln[0].line) == (base(raw.file), raw.line)


Case.backed_place = _backed_place
