/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * unwind_table.h: how the unwind tables lie in the memory that user space fills and the walk reads. C11 and C++20.
 *
 * Table memory is made of values of 64 KiB, 16 of them in one mmapable array map (a chunk of 1 MiB), the chunks in an
 * array of maps. A `kiln_ref` names a 32-bit word in it: value << 14 | word in the value; 0 is none. No object crosses
 * the end of its value. What is published is immutable, but for the words that say so here: user space takes an object
 * out of reach first, waits until no program that may have seen it still runs (an RCU grace period), and only then
 * reuses its memory. So a reader needs neither locks nor sequence counters and can't see half of anything.
 *
 *     processes (hash)  tgid -> kiln_ref of a struct kiln_process
 *     kiln_process      -> kiln_code_range[], sorted: which code lies where in this process
 *     kiln_code_range   -> struct kiln_directory of the file: its code in pages of 64 KiB
 *     kiln_directory    -> struct kiln_page, each: an index by blocks of 256 bytes, packed rows, extended rules
 *
 * A row says how to get from a frame to its caller: how the canonical frame address (CFA, DWARF 5 section 6.4) comes from
 * the registers, and where the caller's registers lie relative to it.
 */
#ifndef KILN_UNWIND_TABLE_H
#define KILN_UNWIND_TABLE_H

#include <linux/types.h>

#ifdef __cplusplus
#include <cstddef>
#else
#include <stddef.h>
#endif

typedef __u32 kiln_ref;

enum {
	KILN_VALUE_BYTES = 65536,
	KILN_VALUE_WORDS = KILN_VALUE_BYTES / 4,
	KILN_REF_WORD_BITS = 14,
	KILN_CHUNK_VALUES = 16,
	KILN_CHUNK_BYTES = KILN_CHUNK_VALUES * KILN_VALUE_BYTES,
	/* 1 GiB. */
	KILN_MAX_CHUNKS = 1024,
};

/* One program image of one process. Writer: agent/unwind. 64 bytes. */
struct kiln_process {
	__u64 start_ns; /* CLOCK_BOOTTIME, as task_struct.start_boottime: with tgid it names the process for good */
	__u64 exec_pages; /* mm_struct.exec_vm as of reading the mappings; another number: they may have changed */
	__u32 tgid;
	__u32 exec_id; /* task_struct.self_exec_id: another number is another program */
	__u32 snapshot; /* number of the state of the mappings that this is; comes back with each sample */
	__u32 range_count;
	kiln_ref ranges; /* of struct kiln_code_range[range_count], ascending */
	__u32 flags; /* enum kiln_process_flags */
	/* Mutable. Set by the kernel side when the process may have mapped other code: what is here may be out of date. */
	__u32 stale;
	__u32 stamp; /* another one for each struct kiln_process of a recording; never 0 */
	__u32 reserved[4];
};

enum kiln_process_flags {
	/* Code of this process was replaced by other code at the same place before: each new mapping makes this stale. */
	KILN_PROCESS_REPLACES_CODE = 1 << 0,
	/* What is in no range was looked for in vain: addresses there are no code. */
	KILN_PROCESS_ALL_KNOWN = 1 << 1,
};

/* What walks the frames of a code range. Runtimes get numbers of their own. */
enum kiln_walker {
	KILN_WALKER_NONE = 0, /* known, and nothing can walk it; `ref` is the enum kiln_stop that says why */
	KILN_WALKER_TABLE = 1, /* unwind table; `ref`: struct kiln_directory */
	KILN_WALKER_FRAME_POINTER = 2, /* generated code: by its frame pointers */
	KILN_WALKER_INDEX = 3, /* not code: `ref` is an array of `count` ranges that cover start … end */
};

struct kiln_code_range {
	__u64 start; /* process address */
	__u64 end; /* exclusive */
	__u64 base; /* process address of byte 0 of page 0 of the directory; may wrap around */
	kiln_ref ref;
	__u16 walker; /* enum kiln_walker */
	__u16 count; /* of ranges behind KILN_WALKER_INDEX */
};

enum {
	/* A process with more ranges gets an index above them. A bisect of 11 steps. */
	KILN_MAX_RANGES = 2047,
};

enum {
	KILN_PAGE_SHIFT = 16, /* a page covers 64 KiB of code */
	KILN_BLOCK_SHIFT = 8,
	KILN_PAGE_BLOCKS = 1 << (KILN_PAGE_SHIFT - KILN_BLOCK_SHIFT),
	/* In one directory, so that it fits into a value; larger code has several. */
	KILN_MAX_DIRECTORY_PAGES = 16000,
	/* Entries of kiln_directory.pages that are no pages. */
	KILN_PAGE_MISSING = 0, /* not loaded */
	KILN_PAGE_FAILED = 1, /* could not be made */
	KILN_PAGE_NO_ROOM = 2, /* not loaded, and not coming soon: hotter pages have the memory */
};

struct kiln_directory {
	__u32 page_count;
	__u32 table; /* user space's number for the table */
	__u8 tracked; /* a register besides FP and SP that this file's rows keep track of, 0xff = none; see kiln_rule */
	__u8 reserved[3];
	kiln_ref pages[]; /* mutable: written atomically by user space */
};

/*
 * The rows of 64 KiB of code. Row 0 is in force where the page begins. Row i (i > 0) is in force from its place until the
 * next row's. Its place is block * 256 + the row's offset, where block is the last with first_row[block] <= i.
 * first_row[b] is the first row after row 0 that begins in block b or later; first_row[256 …] is row_count. So the row
 * for an address in block b is among first_row[b] - 1 … first_row[b + 1] - 1.
 */
struct kiln_page {
	__u32 last_used; /* mutable: written by the walk, the value of unwind_epoch */
	__u16 row_count; /* >= 1 */
	__u16 rule_count;
	__u16 rules_at; /* words from the start of the page to struct kiln_rule[rule_count] */
	__u16 reserved;
	__u16 first_row[KILN_PAGE_BLOCKS + 4];
	__u32 rows[];
};

/*
 * A row: offset in its block (8 bits) | kind (2) << 8 | a (11) << 10 | b (11) << 21.
 *
 * kind SP, FP: CFA = that register + 8 * a.
 *   x86-64: return address at CFA - 8; RBP at CFA - 8 * b, unchanged if b is 0. All other registers as they are.
 *   arm64: FP and LR side by side at CFA - 8 * b; both unchanged (the return address is in LR) if b is 0.
 * kind OTHER: x86-64: as SP, but derived from the instructions; arm64: LR alone at CFA - 8 * b, FP unchanged, CFA = SP + 8 * a.
 * kind RULE: a | b << 11 is one of enum kiln_special if below KILN_FIRST_RULE, else KILN_FIRST_RULE + index of a rule.
 */
enum kiln_row_kind {
	KILN_ROW_SP = 0,
	KILN_ROW_FP = 1,
	KILN_ROW_OTHER = 2,
	KILN_ROW_RULE = 3,
};
enum {
	KILN_ROW_FIELD_MAX = 2047,
	KILN_ROW_NUMBER_MAX = (1 << 22) - 1,
};
#define KILN_ROW(offset, kind, a, b) ((__u32)(offset) | (__u32)(kind) << 8 | (__u32)(a) << 10 | (__u32)(b) << 21)
#define KILN_ROW_OFFSET(row) ((row)&0xff)
#define KILN_ROW_KIND(row) ((row) >> 8 & 3)
#define KILN_ROW_A(row) ((row) >> 10 & 0x7ff)
#define KILN_ROW_B(row) ((row) >> 21)
#define KILN_ROW_NUMBER(row) ((row) >> 10)

enum kiln_special {
	KILN_SPECIAL_NO_CFI = 0, /* no unwind information for this code */
	KILN_SPECIAL_ROOT = 1, /* the outermost frame: there is no caller */
	KILN_SPECIAL_INEXPRESSIBLE = 2, /* unwind information that a rule can't hold */
	KILN_SPECIAL_DAMAGED = 3, /* unwind information that can't be read */
	KILN_SPECIAL_UNCLEAR = 4, /* no unwind information, and none could be derived from the instructions */
	KILN_FIRST_RULE = 16,
};

enum kiln_cfa_kind {
	KILN_CFA_REGISTER = 0, /* register + offset */
	KILN_CFA_DEREF = 1, /* *(register + offset) + second */
	/* x86-64, the linkers' expression for .plt: register + offset, and 8 more from byte `second` of each 16 on. */
	KILN_CFA_PLT = 2,
	/* All registers from the signal frame: at register + offset lies the saved state, as the kernel makes it. */
	KILN_CFA_SIGNAL = 3,
	KILN_CFA_INDEXED =
		4, /* *(register + 8 * index register + offset) + second: frames of a length known at run time */
	KILN_CFA_SPECIAL = 15, /* never in a table: `cfa_offset` is an enum kiln_special (symbolizer/unwind) */
};

enum kiln_value_kind {
	KILN_VALUE_SAME = 0, /* unchanged */
	KILN_VALUE_AT_CFA = 1, /* *(CFA + offset) */
	KILN_VALUE_CFA = 2, /* CFA + offset */
	KILN_VALUE_REGISTER = 3, /* in another register */
	KILN_VALUE_DEREF = 4, /* *(register + offset) */
	KILN_VALUE_LOST = 5, /* not to be had; a walk that needs it ends */
	KILN_VALUE_OF_REGISTER = 6, /* register + offset */
};

enum kiln_rule_flags {
	KILN_RULE_DERIVED = 1 << 0, /* from the instructions, not from unwind information */
	KILN_RULE_SIGNAL_FRAME =
		1 << 1, /* the caller was interrupted, it did not call: its address is no return address */
};

enum {
	KILN_NO_REGISTER = 0xff
};

/*
 * How one frame's registers become its caller's. SP becomes the CFA. Registers are numbered as in registers.h. `other`
 * is the register that the file's directory calls `tracked`; plain rows (SP, FP, OTHER) leave it unchanged. Other
 * callee-saved registers count as lost, since rows don't say where they were saved. Caller-saved ones hold what they held
 * in the interrupted frame: only hand-written assembly, which knows what its own functions leave alone, bases a caller's
 * frame on one.
 */
struct kiln_rule {
	__u8 cfa_kind; /* enum kiln_cfa_kind */
	__u8 cfa_register;
	__u8 fp_kind; /* enum kiln_value_kind */
	__u8 fp_register;
	__u8 ra_kind;
	__u8 ra_register;
	__u8 other_kind; /* SAME, AT_CFA or LOST */
	__u8 flags; /* enum kiln_rule_flags */
	__s32 cfa_offset;
	__s32 cfa_second;
	__s32 fp_offset;
	__s32 ra_offset;
	__s32 other_offset;
	__u8 cfa_index; /* the index register of KILN_CFA_INDEXED, else 0 */
	__u8 reserved[3];
};

enum {
	KILN_RULE_WORDS = 8
};

#ifdef __cplusplus
static_assert(sizeof(kiln_process) == 64);
static_assert(sizeof(kiln_code_range) == 32);
static_assert(offsetof(kiln_directory, pages) == 12);
static_assert(offsetof(kiln_page, first_row) == 12);
static_assert(offsetof(kiln_page, rows) == 532);
static_assert(sizeof(kiln_rule) == 4 * KILN_RULE_WORDS);
#else
_Static_assert(sizeof(struct kiln_process) == 64, "layout");
_Static_assert(sizeof(struct kiln_code_range) == 32, "layout");
_Static_assert(offsetof(struct kiln_directory, pages) == 12, "layout");
_Static_assert(offsetof(struct kiln_page, first_row) == 12, "layout");
_Static_assert(offsetof(struct kiln_page, rows) == 532, "layout");
_Static_assert(sizeof(struct kiln_rule) == 4 * KILN_RULE_WORDS, "layout");
#endif

#endif
