# SPDX-License-Identifier: Apache-2.0
"""The binaries that names are compared on: built from tests/programs/names, one for each way in which compilers, linkers
and distributions leave debug information, and some that were not built here.

A binary may be of a kind that one of the other programs can't read. Then that one is given a twin: the same code with
debug information that it can read. Twins are checked to have the same code, byte by byte."""

import dataclasses
import hashlib
import os
import shutil
import subprocess

SOURCES = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "programs", "names"))


@dataclasses.dataclass
class Binary:
    name: str
    exe: str
    quick: bool = False  # among those of --quick
    kiln: list = dataclasses.field(default_factory=list)  # further options of kiln symbolize
    addr2line: str = ""  # the file that it reads; "" = exe
    llvm: str = ""
    raw: str = ""  # the file whose DWARF llvm-dwarfdump reads as it is; "" = exe
    shared: str = ""  # the file that .gnu_debugaltlink of `raw` names
    section: str = ""  # addresses count from its start: in a relocatable file
    inside: str = ""  # the name that kiln is given, if it isn't exe: the path in a --root

    def file_of(self, who):
        return getattr(self, who) or self.exe


def digest_of_sources():
    digest = hashlib.sha256()
    for name in sorted(os.listdir(SOURCES)):
        with open(os.path.join(SOURCES, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


class Builder:
    def __init__(self, folder, quick):
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.quick = quick
        self.binaries = []
        self.left_out = []
        self.digest = digest_of_sources()

    def path(self, name):
        return os.path.join(self.folder, name)

    def add(self, name, make, **options):
        """Calls make(output) unless that was done before with the same sources."""
        if self.quick and not options.get("quick"):
            return None
        exe = self.path(name)
        stamp = self.path(f".{name}.sources")
        if not os.path.exists(exe) or not os.path.exists(stamp) or open(stamp).read() != self.digest:
            if os.path.exists(exe):
                os.remove(exe)
            try:
                make(exe)
            except (subprocess.CalledProcessError, FileNotFoundError) as problem:
                self.left_out.append(f"{name}: {problem}")
                return None
            with open(stamp, "w") as file:
                file.write(self.digest)
        binary = Binary(name, exe, **options)
        self.binaries.append(binary)
        return binary


def run(*words, **options):
    subprocess.run([str(word) for word in words], check=True, **options)


def quiet(*words, **options):
    run(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def compile_and_link(compiler, sources, flags, link=(), language=()):
    """Each source into an object beside the output, then all into it. Objects stay: .dwo files are found by their path."""

    def make(exe):
        objects = []
        work = exe + ".objects"
        os.makedirs(work, exist_ok=True)
        for source in sources:
            target = os.path.join(work, source.replace(".", "_") + ".o")
            is_cxx = source.endswith(".cc")
            cxx = {"gcc": "g++", "clang-16": "clang++-16"}[compiler]
            asm = () if source.endswith(".S") else flags
            standard = ["-std=c++20"] if is_cxx else []
            root = "-I" + os.path.realpath(os.path.join(SOURCES, "../../.."))
            run(cxx if is_cxx else compiler, *standard, *asm, root, "-c", os.path.join(SOURCES, source), "-o", target, cwd=work)
            objects.append(target)
        linker = {"gcc": "g++", "clang-16": "clang++-16"}[compiler]
        run(linker, *[flag for flag in flags if flag.startswith(("-O", "-flto", "-g"))], *link, *objects, "-o", exe, cwd=work)

    return make


C = ("chains.c", "other.c", "assembly.S")
CXX = ("templates.cc", "other.c", "assembly.S")


def add_compiled(b):
    def c(name, compiler, *flags, link=(), **options):
        return b.add(name, compile_and_link(compiler, C, flags, link), **options)

    def cxx(name, compiler, *flags, link=(), **options):
        return b.add(name, compile_and_link(compiler, CXX, flags, link), **options)

    gcc, clang = "gcc", "clang-16"
    c("gcc_c_O0_dwarf2", gcc, "-O0", "-gdwarf-2", "-gstrict-dwarf")
    c("gcc_c_O1_dwarf3", gcc, "-O1", "-gdwarf-3", "-gstrict-dwarf")
    c("gcc_c_O2_dwarf4_strict", gcc, "-O2", "-gdwarf-4", "-gstrict-dwarf")
    c("gcc_c_O2_dwarf5", gcc, "-O2", "-gdwarf-5", quick=True)
    c("gcc_c_O3_dwarf5", gcc, "-O3", "-gdwarf-5")
    c("gcc_c_Os_cold", gcc, "-Os", "-g", "-freorder-blocks-and-partition")
    cxx("gcc_cxx_O0_dwarf4", gcc, "-O0", "-gdwarf-4")
    cxx("gcc_cxx_O1_dwarf5", gcc, "-O1", "-gdwarf-5")
    cxx("gcc_cxx_O2_dwarf3", gcc, "-O2", "-gdwarf-3")
    cxx("gcc_cxx_O2_dwarf4", gcc, "-O2", "-gdwarf-4", quick=True)
    plain = cxx("gcc_cxx_O2_dwarf5", gcc, "-O2", "-gdwarf-5", quick=True)
    cxx("gcc_cxx_O3_dwarf5", gcc, "-O3", "-gdwarf-5")
    cxx("gcc_cxx_Os_dwarf5", gcc, "-Os", "-gdwarf-5")
    cxx("gcc_cxx_lto", gcc, "-O2", "-g", "-flto", quick=True)
    cxx("gcc_cxx_types", gcc, "-O2", "-gdwarf-4", "-fdebug-types-section")
    cxx("gcc_cxx_no_column", gcc, "-O2", "-g", "-gno-column-info")
    cxx("gcc_cxx_sections", gcc, "-O2", "-g", "-ffunction-sections", "-fdata-sections", link=["-Wl,--gc-sections"])
    cxx("gcc_cxx_sections_dwarf4", gcc, "-O2", "-gdwarf-4", "-ffunction-sections", link=["-Wl,--gc-sections"])
    cxx("gcc_cxx_static_pie", gcc, "-O2", "-g", "-fPIE", link=["-static-pie"])
    cxx("gcc_cxx_no_pie", gcc, "-O2", "-g", "-fno-pie", link=["-no-pie"])
    cxx("gcc_cxx_static", gcc, "-O1", "-g", "-fno-pie", link=["-static", "-no-pie"])
    cxx("gcc_cxx_g1", gcc, "-O2", "-g1")
    c("clang_c_O0_dwarf4", clang, "-O0", "-gdwarf-4")
    c("clang_c_O1_dwarf3", clang, "-O1", "-gdwarf-3")
    c("clang_c_O2_dwarf5", clang, "-O2", "-gdwarf-5")
    c("clang_c_O3_dwarf5", clang, "-O3", "-gdwarf-5")
    cxx("clang_cxx_O0_dwarf5", clang, "-O0", "-gdwarf-5")
    cxx("clang_cxx_O1_dwarf4", clang, "-O1", "-gdwarf-4")
    cxx("clang_cxx_O2_dwarf5", clang, "-O2", "-gdwarf-5", quick=True)
    cxx("clang_cxx_O2_aranges", clang, "-O2", "-gdwarf-4", "-gdwarf-aranges")
    cxx("clang_cxx_O3_dwarf5", clang, "-O3", "-gdwarf-5")
    cxx("clang_cxx_Os_dwarf5", clang, "-Os", "-gdwarf-5")
    cxx("clang_cxx_thinlto", clang, "-O2", "-g", "-flto=thin", link=["-fuse-ld=lld-16"], quick=True)
    cxx("clang_cxx_lto", clang, "-O2", "-g", "-flto", link=["-fuse-ld=lld-16"])
    cxx("clang_cxx_icf", clang, "-O2", "-g", "-ffunction-sections", link=["-fuse-ld=lld-16", "-Wl,--icf=all,--gc-sections"])
    cxx("clang_cxx_lines_only", clang, "-O2", "-gline-tables-only")

    # Split: the other programs read what was not split. Only the .dwo and .dwp of clang are read by llvm-symbolizer.
    for name, compiler, version, twin in (
        ("gcc_cxx_split_dwarf4", gcc, "-gdwarf-4", "gcc_cxx_O2_dwarf4"),
        ("gcc_cxx_split_dwarf5", gcc, "-gdwarf-5", "gcc_cxx_O2_dwarf5"),
        ("clang_cxx_split_dwarf5", clang, "-gdwarf-5", "clang_cxx_O2_dwarf5"),
    ):
        twin = b.path(twin)
        split = cxx(name, compiler, "-O2", version, "-gsplit-dwarf", addr2line=twin, llvm=twin, raw=twin, quick=name == "gcc_cxx_split_dwarf5")
        if split is None:
            continue

        def pack(exe, split=split):
            # Apart from the .dwo files: what is found is in the package.
            with open(split.exe, "rb") as original, open(exe, "wb") as copy:
                copy.write(original.read())
            os.chmod(exe, 0o755)
            objects = split.exe + ".objects"
            dwo = sorted(os.path.join(objects, f) for f in os.listdir(objects) if f.endswith(".dwo"))
            run("llvm-dwp-16", *dwo, "-o", exe + ".dwp")
            # The paths to the .dwo files lead nowhere: the name of the folder is longer by one than it was.
            with open(exe, "rb") as file:
                content = file.read()
            with open(exe, "wb") as file:
                file.write(content.replace(split.exe.encode() + b".objects", split.exe.encode() + b".0bjects"))

        b.add(name + "_dwp", pack, addr2line=twin, llvm=twin, raw=twin)
    if plain is not None:
        add_rewritten(b, plain)


def add_rewritten(b, plain):
    """What objcopy and dwz make of `plain`."""
    twin = {"addr2line": plain.exe, "llvm": plain.exe, "raw": plain.exe}
    objcopy = lambda *flags: lambda exe: run("objcopy", *flags, plain.exe, exe)
    b.add("gcc_cxx_zlib", objcopy("--compress-debug-sections=zlib"), quick=True)
    b.add("gcc_cxx_zlib_gnu", objcopy("--compress-debug-sections=zlib-gnu"), **{**twin, "addr2line": ""})
    b.add("gcc_cxx_zstd", objcopy("--compress-debug-sections=zstd"), **twin)

    def debuglink(exe):
        run("objcopy", "--only-keep-debug", plain.exe, exe + ".debug")
        run("objcopy", "--strip-all", f"--add-gnu-debuglink={exe}.debug", plain.exe, exe)

    b.add("gcc_cxx_debuglink", debuglink, raw=plain.exe, llvm=plain.exe, addr2line=plain.exe)

    def no_sections_but_symbols(exe):
        run("objcopy", "--strip-debug", plain.exe, exe)

    b.add("gcc_cxx_symbols_only", no_sections_but_symbols, raw=plain.exe)

    def dwz(exe):
        run("dwz", "-o", exe, plain.exe)

    b.add("gcc_cxx_dwz", dwz, quick=True)

    def dwz_multi(exe):
        other = b.path("gcc_cxx_O3_dwarf5")
        shutil.copy(plain.exe, exe)
        shutil.copy(other, exe + ".other")
        run("dwz", "-m", exe + ".common", "-M", os.path.basename(exe) + ".common", exe, exe + ".other", cwd=b.folder)

    # llvm-symbolizer 16 follows no .gnu_debugaltlink.
    b.add("gcc_cxx_dwz_multi", dwz_multi, llvm=plain.exe, raw=plain.exe)


def add_languages(b):
    rust = os.path.join(SOURCES, "mixed.rs")
    if shutil.which("rustc"):
        b.add("rust_debug", lambda exe: run("rustc", "--edition", "2021", "-g", rust, "-o", exe))
        b.add("rust_release", lambda exe: run("rustc", "--edition", "2021", "-O", "-C", "debuginfo=2", rust, "-o", exe), quick=True)
        b.add(
            "rust_v0_lto",
            lambda exe: run("rustc", "--edition", "2021", "-O", "-g", "-C", "lto=fat", "-C", "symbol-mangling-version=v0", rust, "-o", exe),
        )
    if shutil.which("go"):
        go = os.path.join(SOURCES, "mixed.go")
        cache = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
        b.add("go_dwarf", lambda exe: run("go", "build", "-ldflags=-compressdwarf=false", "-o", exe, go, env=cache, cwd=b.folder), quick=True)
        twin = {who: b.path("go_dwarf") for who in ("addr2line", "llvm", "raw")}
        b.add("go_compressed", lambda exe: run("go", "build", "-o", exe, go, env=cache, cwd=b.folder), **twin)
        b.add("go_stripped", lambda exe: run("go", "build", "-ldflags=-s -w", "-o", exe, go, env=cache, cwd=b.folder), **twin)


# Packages of Debian with debug files, the object files in them, and whether the DWARF is shared between files (dwz -m).
PACKAGES = (
    ("libc6", "libc6-dbg", ("lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libm.so.6")),
    ("libbinutils", "libbinutils-dbg", ("usr/lib/x86_64-linux-gnu/libbfd-2.40-system.so",)),
    ("binutils-x86-64-linux-gnu", "binutils-x86-64-linux-gnu-dbg", ("usr/bin/x86_64-linux-gnu-ld.gold",)),
    ("valgrind", "valgrind-dbg", ("usr/libexec/valgrind/memcheck-amd64-linux",)),
    ("librados2", "librados2-dbg", ("usr/lib/x86_64-linux-gnu/librados.so.2",)),
)
KERNEL = "6.1.0-50-cloud-amd64"


def unpack(b, *packages):
    root = b.path("root")
    for package in packages:
        stamp = b.path(f".{package}.unpacked")
        if os.path.exists(stamp):
            continue
        quiet("apt-get", "download", package, cwd=b.folder)
        for name in os.listdir(b.folder):
            if name.startswith(package + "_") and name.endswith(".deb"):
                run("dpkg-deb", "-x", name, root, cwd=b.folder)
                os.remove(b.path(name))
        open(stamp, "w").close()
    return root


def build_id(path):
    out = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    for line in out.splitlines():
        if "Build ID:" in line:
            return line.split()[-1]
    return ""


def with_reachable_link(b, debug_file, root):
    """`debug_file`, or a copy whose .gnu_debugaltlink leads to a copy of the file that it names in `root`, and that copy.
    addr2line takes every path in it for one from the folder of the debug file, and unpacks no strings of the file."""
    copy = b.path(os.path.basename(debug_file))
    link = f"{copy}.{os.getpid()}.altlink"  # another comparison may do the same at the same time
    sections = subprocess.run(["readelf", "-SW", debug_file], capture_output=True, text=True).stdout
    if " .gnu_debugaltlink " not in sections:
        return debug_file, ""
    run("objcopy", "--dump-section", f".gnu_debugaltlink={link}", debug_file, f"{link}ed", stderr=subprocess.DEVNULL)
    with open(link, "rb") as file:
        name, _, digits = file.read().partition(b"\0")
    original = os.path.join(root, name.decode().lstrip("/"))
    shared = b.path(os.path.basename(original))
    if not os.path.exists(shared):
        run("objcopy", "--decompress-debug-sections", original, shared)
    with open(link, "wb") as file:
        file.write(os.path.basename(shared).encode() + b"\0" + digits)
    run("objcopy", "--update-section", f".gnu_debugaltlink={link}", debug_file, f"{link}ed")
    os.replace(f"{link}ed", copy)
    os.remove(link)
    return copy, shared


def add_distribution(b):
    for package, debug, files in PACKAGES:
        try:
            root = unpack(b, package, debug)
        except subprocess.CalledProcessError as problem:
            b.left_out.append(f"{package}: {problem}")
            continue
        for file in files:
            exe = os.path.realpath(os.path.join(root, file))
            digits = build_id(exe)
            debug_file = os.path.join(root, "usr/lib/debug/.build-id", digits[:2], digits[2:] + ".debug")
            if not os.path.exists(debug_file):
                b.left_out.append(f"{file}: its debug file is not in {debug}")
                continue
            reachable, shared = with_reachable_link(b, debug_file, root)
            b.binaries.append(
                Binary(
                    "debian_" + os.path.basename(file),
                    exe,
                    kiln=["--root", root],
                    inside="/" + os.path.relpath(exe, root),
                    addr2line=reachable,
                    llvm=debug_file,
                    raw=debug_file,
                    shared=shared,
                )
            )


def add_kernel(b):
    """A module of Debian's kernel with its debug file: relocatable."""
    try:
        root = unpack(b, f"linux-image-{KERNEL}-unsigned", f"linux-image-{KERNEL}-dbg")
    except subprocess.CalledProcessError as problem:
        b.left_out.append(f"kernel: {problem}")
        return
    module = f"lib/modules/{KERNEL}/kernel/fs/xfs/xfs.ko"
    debug = os.path.join(root, "usr/lib/debug", module)
    if os.path.exists(debug):
        b.binaries.append(
            Binary("kernel_xfs.ko", os.path.join(root, module), kiln=["--root", root], inside="/" + module, section=".text", addr2line=debug, llvm=debug, raw=debug)
        )
        b.binaries.append(Binary("kernel_xfs.ko.debug", debug, section=".text"))
    vmlinux = os.path.join(root, "usr/lib/debug/boot", f"vmlinux-{KERNEL}")
    if os.path.exists(vmlinux):
        b.binaries.append(Binary("kernel_vmlinux", vmlinux))


def build_all(folder, quick, kiln=""):
    b = Builder(folder, quick)
    add_compiled(b)
    add_languages(b)
    if kiln:
        b.binaries.append(Binary("kiln", os.path.abspath(kiln)))
    if not quick:
        add_distribution(b)
        add_kernel(b)
    return [binary for binary in b.binaries if binary.quick or not quick], b.left_out
