/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU working memory. One sample is under way on a CPU at a time (the kernel refuses to nest perf_event programs:
 * bpf_prog_active), so every step of the walk may look its state up here instead of passing pointers: global functions
 * take no pointers on 5.10.
 */
#ifndef KILN_SCRATCH_BPF_H
#define KILN_SCRATCH_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/wire.h"

/* The record as it goes to the ring; without an identity it starts at `sample`. */
struct record {
	struct kiln_identity identity;
	struct kiln_sample sample;
	__u64 words[KILN_MAX_WORDS];
};

/*
 * A read of user memory costs about 50 ns whether it is 16 bytes or 1 KiB, so the walk copies a window of the stack at a
 * time. More per window costs more than it saves when the stack is not in the caches. A power of two.
 */
enum {
	KILN_WINDOW_WORDS = 128
};

/* Which step function continues a walk. Runtimes get one each; a code range decides (DESIGN: one loop, no tail calls). */
enum walker {
	WALKER_FRAME_POINTER = 0,
};

struct walk {
	__u64 fp;
	__u64 sp;
	__u32 words; /* used in record.words */
	__u32 walker; /* enum walker */
	__u64 window; /* address of the first word of scratch->window, 0 = none */
	__u64 no_window; /* a window could not be read: frame by frame from here */
};

struct identity_slot {
	__u64 process_start_ns;
	__u64 thread_comm[2];
	__u64 process_comm[2];
	__u32 tid; /* 0 = empty */
	__u32 namespaced_pid;
	__u32 mount_namespace;
	__u32 reserved;
};

struct scratch {
	struct kiln_regs regs;
	struct walk walk;
	struct record record;
	__u64 window[KILN_WINDOW_WORDS]; /* copy of a part of the user stack */
	struct identity_slot identities[KILN_IDENTITY_SLOTS];
};

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
 * Keeps an index below a power of two in a way the compiler can't fold away: clang drops a plain & when it has proved
 * the bound itself, and the verifiers of 5.10 and 6.1 have not.
 */
#define MASKED(index, size)                                                                                            \
	({                                                                                                             \
		__u64 masked_index = (index);                                                                          \
		asm volatile("%0 &= %1" : "+r"(masked_index) : "i"((size)-1));                                         \
		masked_index;                                                                                          \
	})

#endif
