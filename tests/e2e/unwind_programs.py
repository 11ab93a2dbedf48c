# SPDX-License-Identifier: Apache-2.0
"""The stacks of the programs in tests/programs/unwind, as the one table that tests go by. chains.py says how a chain is
written."""

import dataclasses

# How a C program begins. Not every distribution's libc has symbols for its start, so its frames count by their file.
START = "[libc]*2 _start"
THREAD_START = "[libc]*2"


@dataclasses.dataclass(frozen=True)
class Program:
    """One run of a program. A sample in a burning function (`burn…`) must have one of `chains` from there to its end;
    one whose first frame of a chain lies further down must have the rest of one."""

    title: str
    program: str
    chains: tuple
    arguments: tuple = ()  # behind the CPU time; FOLDER stands for the folder of the programs
    # (function, part of the CPU time, 0 to 1, that must be spent in it and what it calls). None: the burning functions
    # take practically all of the time, and every chain that begins with one its part.
    above: tuple = ()
    # Where stacks may be cut, or wrong: {file of the leaf, or reason of the cut: part of the samples}. Nowhere else.
    excuses: dict = dataclasses.field(default_factory=dict)
    tool: str = ""  # what compiles it, if that may be missing


def depth(title, program, frames, start=START, **others):
    middle = f" descend*{frames - 2} first" if frames > 1 else ""
    return Program(title, program, (f"burn last{middle} main {start}",), (frames,), **others)


def elsewhere(place):
    return Program(f"file_{place}", "elsewhere", (f"burn calls_burn in_{place} main {START}",), (place,))


HANDLER = "burn in_handler handler [libc] faults_at_entry calls_fault main"
STATIC_START = "__libc_start_call_main [depth_static] _start"
# Until its tables are loaded, a process is unwound from a copy of the next 64 KiB of its stack: that ends in a huge
# frame, and where the stack goes on elsewhere.
BEFORE_TABLES = {"copied part of the stack ends": 0.15}
# GCC moves what only exceptions reach into parts of their own. The unwinding library leaves the frames below by an
# epilogue that no table can describe: hence the excuses.
CLEANUP = f"Guard::~Guard() holds_guard.cold tries main {START}"
EXCEPTIONS = (CLEANUP, f"throws.cold throws+ holds_guard tries main {START}")

PROGRAMS = (
    depth("depth_1", "depth", 1),
    depth("depth_50", "depth", 50),
    depth("depth_500", "depth", 500),
    depth("static", "depth_static", 50, STATIC_START),
    depth("static_pie", "depth_static_pie", 50, STATIC_START),
    depth("debug_frame_only", "depth_debug_frame", 50),
    depth("musl", "depth_musl", 50, "[musl] _start", tool="musl-gcc"),
    depth("musl_static", "depth_musl_static", 50, "libc_start_main_stage2 _start", tool="musl-gcc"),
    Program("mutual_recursion", "mutual", (f"burn (odd even)*20 main {START}",)),
    Program(
        "tail_calls", "tail_call", (f"burn lands main {START}", f"hops main {START}", f"enters main {START}")
    ),
    Program("call_at_the_end", "no_return", (f"burn leaves_by_jump ends_with_call main {START}",)),
    Program(
        "shapes_of_frames",
        "frames",
        (
            "burn takes_many pushes_arguments scratch_rbp variable_array takes_alloca many_registers "
            f"main {START}",
        ),
    ),
    Program("large_frames", "large_frame", (f"burn small huge large main {START}",), excuses=BEFORE_TABLES),
    Program("signal_on_same_stack", "signals", (f"{HANDLER} {START}",), ("same",)),
    Program("signal_on_own_stack", "signals", (f"{HANDLER} {START}",), ("own",), excuses=BEFORE_TABLES),
    Program(
        "signal_anywhere",
        "interrupted",
        tuple(
            f"{handler}{interrupted}main {START}"
            for interrupted in (
                *("spin middle outer ", "middle outer ", "outer ", ""),
                *("[interrupted] ", "[libc] ", "[vdso] [libc] "),  # its PLT and what main calls by it
            )
            for handler in ("burn handler [libc] ", "")
        ),
        above=(("burn", 0.2), ("spin", 0.2)),
    ),
    Program("vfork", "vfork_child", (f"burn in_child starts_child main {START}",)),
    Program(
        "starts_of_threads",
        "threads",
        (
            f"burn spends_budget in_thread thread_main {THREAD_START}",
            "burn spends_budget in_clone clone_main [libc]",
            f"burn spends_budget in_main main {START}",
        ),
    ),
    Program("destructors", "exceptions", (f"burn {CLEANUP}", *EXCEPTIONS), ("destructors",), excuses={"libgcc": 0.01}),
    Program("throws", "exceptions", EXCEPTIONS, ("throws",), above=(("tries", 0.9),), excuses={"libgcc": 0.01}),
    Program(
        "libraries_at_one_address",
        "plugins",
        tuple(f"burn_{name} deep_{name} work_{name} runs_plugin main {START}" for name in ("one", "two", "three")),
        ("FOLDER",),
        # What ran before the library was unloaded, and was not looked at before another one stood there.
        excuses={"code was replaced": 0.06},
    ),
    Program(
        "fork_without_exec",
        "fork_plugin",
        (f"burn_one deep_one work_one in_child child_main main {START}", f"burn in_parent main {START}"),
        ("FOLDER",),
    ),
    Program(
        "realigned_stack", "realign", (f"burn aligned_64 aligned_arguments aligned_variable main {START}",)
    ),
    Program(
        "realigned_stack_avx", "realign_avx", (f"burn aligned_64 aligned_arguments aligned_variable main {START}",)
    ),
    Program(
        "fibers", "fibers", ("burn in_first first_fiber [libc]", "burn in_second second_fiber [libc]", f"main {START}")
    ),
    Program("code_made_at_run_time", "jit", (f"burn called_back jitted_frame calls_jit main {START}",)),
    Program("protection_changes", "protect", (f"burn calls_burn main {START}",)),
    Program(
        "hand_written", "hand_written", (f"burn asm_pushes asm_subtracts asm_keeps_rbp asm_aligns main {START}",)
    ),
    elsewhere("memfd"),
    elsewhere("deleted"),
    elsewhere("namespace"),
    elsewhere("overlay"),
    Program(
        "lazy_binding",
        "lazy",
        (f"binds_all main {START}", f"loads main {START}"),
        ("FOLDER",),
        above=(("binds_all", 0.2), ("loads", 0.01)),
    ),
    Program("linkage_table", "linkage", (f"calls_out main {START}",), above=(("calls_out", 0.9),)),
    Program("linkage_table_ibt", "linkage_ibt", (f"calls_out main {START}",), above=(("calls_out", 0.9),)),
    Program(
        "rust",
        "rust",
        (
            f"burn last descend*18 first in_main ... main {START}",
            f"burn last descend*18 first in_thread ... {THREAD_START}",
        ),
        tool="rustc",
    ),
    Program(
        "go",
        "go",
        (
            "main.burn main.last main.descend*18 main.first main.inMain main.main runtime.main runtime.goexit",
            "main.burn main.last main.descend*18 main.first main.inGoroutine ... runtime.goexit",
        ),
        tool="go",
        excuses={"go": 0.02},  # its runtime's assembly that changes stacks
    ),
)
