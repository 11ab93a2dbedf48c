/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Per-CPU working memory. One sample is under way on a CPU at a time (the kernel refuses to nest perf_event programs:
 * bpf_prog_active), so every step of the walk may look its state up here instead of passing pointers: global functions
 * take no pointers on 5.10.
 */
#ifndef KILN_SCRATCH_BPF_H
#define KILN_SCRATCH_BPF_H

#include "bpf/environment.bpf.h"
#include "bpf/registers.h"
#include "bpf/unwind_table.h"
#include "bpf/wire.h"

/* The record as it goes to the ring; without an identity it starts at `sample`. */
struct record {
	struct kiln_identity identity;
	struct kiln_sample sample;
	__u64 words[KILN_MAX_WORDS];
};

enum {
	KILN_CODE_ENTRIES = 128, /* of scratch.code, a power of two */
	KILN_PROCESS_ENTRIES = 16, /* of scratch.processes, a power of two */
	KILN_MEMO_ENTRIES = 4096, /* a power of two */
	KILN_WINDOW_WORDS = 256, /* of the copy of the stack (stack_window.bpf.h); a power of two */
	KILN_REGISTER_SLOTS = 64, /* words of scratch.registers, a power of two above KILN_REG_WORDS */
};

/* Which callee-saved register besides FP holds what it held in the frame that the walk stands on: a number, or these. */
enum {
	KNOWN_ALL = 0xfe, /* the frame was interrupted: the registers are those of the thread, or from a signal frame */
	KNOWN_NONE = KILN_NO_REGISTER,
};

/* What was found out about a piece of code of a process, at most a page of its table; `end` 0 = nothing. */
struct code_entry {
	__u64 start; /* process addresses */
	__u64 end;
	__u64 base; /* where the page of the table begins */
	__u64 validity; /* walk.validity; under another one this holds no more */
	kiln_ref page; /* struct kiln_page */
	__u32 stamp; /* kiln_process.stamp */
	__u16 walker; /* enum kiln_walker */
	__u16 tracked; /* kiln_directory.tracked */
	__u32 row_count; /* of the page */
};

/* What is known of a process, as of process_generation. */
struct process_entry {
	__u64 start_ns; /* the rest as in struct kiln_process */
	__u64 exec_pages;
	__u32 tgid; /* 0 = empty */
	__u32 exec_id;
	__u32 generation;
	__u32 snapshot;
	__u32 stamp;
	kiln_ref ranges;
	__u32 range_count;
	__u32 flags;
};

/*
 * The row that was found for an address. The same return addresses come again and again, and what holds for an address of
 * a process holds until another struct kiln_process is published for it, whatever becomes of the table. Plain rows only.
 */
struct row_memo {
	__u64 key; /* address | epoch << 48: the pages behind hot rows shall count as used once per epoch */
	__u32 stamp; /* kiln_process.stamp */
	__u32 row;
};

struct row_memos {
	struct row_memo rows[KILN_MEMO_ENTRIES];
};

struct walk {
	__u32 words; /* used in record.words */
	__u32 known; /* register number, KNOWN_ALL or KNOWN_NONE */
	__u32 is_return_address; /* IP is one: the code that the frame is in lies one byte before */
	__u32 near_stack_end;
	__u64 window_start; /* address of window[0] */
	__u64 window_bytes; /* from how many bytes on a word may be taken from it, 0 = no window */
	kiln_ref ranges; /* of the process */
	__u32 range_count;
	__u32 next_slot; /* of range[], to be overwritten next */
	__u32 derived; /* frames walked by derived rules */
	__u32 process_flags; /* enum kiln_process_flags */
	__u32 stamp; /* kiln_process.stamp, 0 = rows are not remembered */
	__u64 validity; /* unwind_generation and unwind_epoch: what is remembered of table memory under another one is void */
	union { /* the rule being applied */
		struct kiln_rule rule;
		__u32 rule_words[KILN_RULE_WORDS];
	};
	struct kiln_code_range range[2]; /* the last two that were used: most calls stay in a file or go to one other */
	__u32 range_stamp; /* of the process and at the time that they were found */
	__u64 range_validity;
	__u64 fetched[2]; /* what fetch_words read */
};

/* What this CPU may still copy of stacks (defer.bpf.h). */
struct copy_allowance {
	__u64 since_ns;
	__u64 bytes;
	__u64 woken_ns; /* when user space was last woken because of a copy */
};

struct scratch {
	union {
		struct kiln_regs regs; /* of the frame that the walk stands on, as far as known */
		__u64 registers[KILN_REGISTER_SLOTS];
	};
	struct walk walk;
	struct code_entry
		code[KILN_CODE_ENTRIES]; /* by bits of the address above those of a page; outlives the sample */
	struct process_entry processes[KILN_PROCESS_ENTRIES]; /* by bits of tgid; outlives the sample */
	struct record record;
	__u64 window[KILN_WINDOW_WORDS]; /* copy of a part of the user stack */
	struct copy_allowance copies;
};

/* The places where what is known of code and of a process is remembered, if it is. */
#define code_for(scratch, address) (&(scratch)->code[MASKED((address) >> KILN_PAGE_SHIFT, KILN_CODE_ENTRIES)])
#define process_entry_for(scratch, tgid) (&(scratch)->processes[MASKED(tgid, KILN_PROCESS_ENTRIES)])

#ifndef KILN_REPLAY
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch_map SEC(".maps");

static __always_inline struct scratch *get_scratch(void) {
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch_map, &zero);
}

/*
 * One entry per possible CPU (agent/collect/sampler.cc sets the number): values of per-CPU maps hold at most 32 KiB, and
 * scratch has most of that.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct row_memos);
} row_memos SEC(".maps");

static __always_inline struct row_memos *get_row_memos(void) {
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&row_memos, &cpu);
}
#endif

#endif
