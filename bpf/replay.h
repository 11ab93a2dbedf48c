/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kernel side's walk of a user stack (walk.bpf.h), compiled for user space: for stacks that were copied because their
 * tables were not loaded, for tests, for fuzzing. C11 and C++20.
 */
#ifndef KILN_REPLAY_H
#define KILN_REPLAY_H

#ifdef __cplusplus
#include <cstdint>
#else
#include <stdint.h>
#endif

#include "bpf/registers.h"
#include "bpf/unwind_table.h"
#include "bpf/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the walk reads. The functions are called on the thread that walks. */
struct kiln_replay {
	void *context; /* first argument of the functions */
	/* KILN_VALUE_BYTES of table memory, NULL if there is no such value. The walk writes kiln_page.last_used. */
	void *(*table_value)(void *context, __u32 number);
	/* Copies user memory. 0 on success, else *to may hold anything. */
	int (*read_user)(void *context, void *to, __u32 bytes, uint64_t address);
	__u32 epoch; /* for kiln_page.last_used */
	/* kiln_process.stamp: rows and pages are remembered on this thread as on a CPU by the kernel side; 0 = not */
	__u32 stamp;
	__u32 generation; /* pages are remembered under the same one only: another one for other table memory */
};

struct kiln_replay_stack {
	__u32 stop; /* enum kiln_stop */
	__u32 derived; /* frames reached by derived rules */
	__u32 word_count;
	uint64_t words[KILN_MAX_WORDS]; /* as in a sample (wire.h), leaf first; at least one frame */
};

/*
 * Walks from `regs` through the code in `range_count` ranges at `ranges`; `flags` are those of struct kiln_process.
 * Thread-safe.
 */
void kiln_replay_walk(const struct kiln_replay *replay, const struct kiln_regs *regs, kiln_ref ranges,
		      __u32 range_count, __u32 flags, struct kiln_replay_stack *stack);

#ifdef __cplusplus
}
#endif

#endif
