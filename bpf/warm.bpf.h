/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Loads ahead of their use. After a millisecond of other work little of the walk's own memory is in the near caches, and
 * each step of a walk waits for the one before. What is touched here is likely to be used, and no load waits for another.
 */
#ifndef KILN_WARM_BPF_H
#define KILN_WARM_BPF_H

#include "bpf/identity.bpf.h"
#include "bpf/memory.bpf.h"
#include "bpf/scratch.bpf.h"

#define TOUCH(value)                                                                                                   \
	({                                                                                                             \
		__u64 touched = (value);                                                                               \
		OPAQUE(touched);                                                                                       \
	})

enum {
	WARM_FRAMES = 64
};

/* What the last sample's frames were walked by: the same thread has most of its outer frames still. */
static __always_inline void warm_last_walk(struct memory *memory, const struct scratch *scratch) {
	const struct kiln_sample *last = &scratch->record.sample;

	for (__u32 i = 0; i < WARM_FRAMES && i < last->user_words; i++) {
		__u64 word = scratch->record.words[MASKED(last->kernel_words + i, KILN_MAX_WORDS)];
		__u64 address = (word & KILN_FRAME_PAYLOAD_MASK) - 1;

		TOUCH(row_for(memory, address)->key);
		TOUCH(code_for(memory, address)->start);
	}
}

/* What every walk of the thread begins with. */
static __always_inline void warm_first_step(struct memory *memory, const struct identity_slot *slot, __u32 tgid,
					    __u64 ip) {
	TOUCH(slot->tid);
	TOUCH(process_for(memory, tgid)->start_ns);
	TOUCH(row_for(memory, ip)->key);
	TOUCH(code_for(memory, ip)->start);
}

#endif
