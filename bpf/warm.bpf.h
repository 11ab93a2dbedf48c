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

/* What the last sample's frames were walked by: the same process has most of the outer ones still. */
static __always_inline void warm_last_walk(struct memory *memory, const struct scratch *scratch) {
	for (__u32 i = 0; i < KILN_PLACES && i < scratch->walk.steps; i++)
		TOUCH(memory->rows[MASKED(scratch->walk.places[i], KILN_ROW_ENTRIES)].key);
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
