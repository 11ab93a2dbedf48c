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
	KILN_WINDOW_WORDS = 256, /* of the copy of the stack (stack_window.bpf.h); a power of two */
	KILN_PLACES = 64, /* of the frames of a walk; a power of two */
	KILN_REGISTER_SLOTS = 64, /* words of scratch.registers, a power of two above KILN_REG_WORDS */
};

/* Which callee-saved register besides FP holds what it held in the frame that the walk stands on: a number, or these. */
enum {
	KNOWN_ALL = 0xfe, /* the frame was interrupted: the registers are those of the thread, or from a signal frame */
	KNOWN_NONE = KILN_NO_REGISTER,
};

struct walk {
	__u32 words; /* used in record.words */
	__u32 has_room; /* the last of them is KILN_FRAME_RETURNS with one frame */
	__u32 known; /* register number, KNOWN_ALL or KNOWN_NONE */
	__u32 is_return_address; /* IP is one: the code that the frame is in lies one byte before */
	__u32 near_stack_end;
	__u32 steps; /* frames that were left or tried to be */
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
	__u16 places[KILN_PLACES]; /* row_place() of the frames of the last `steps`, around and around */
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
	struct record record;
	__u64 window[KILN_WINDOW_WORDS]; /* copy of a part of the user stack */
	struct copy_allowance copies;
};

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
#endif

#endif
