/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What environment.bpf.h has from BPF, in user space. */
#ifndef KILN_REPLAY_ENVIRONMENT_H
#define KILN_REPLAY_ENVIRONMENT_H

#include <stddef.h>

#include "bpf/replay.h"

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline static __attribute__((noinline))

#define MASKED(index, size) ((__u64)(index) & ((size)-1))
#define OPAQUE(value) ((void)(value))

static _Thread_local const struct kiln_replay *replay;

#define unwind_epoch (replay->epoch)
#define unwind_generation (replay->generation)

static __always_inline void *table_value(__u32 number) {
	return replay->table_value(replay->context, number);
}

static __always_inline int read_user(void *to, __u32 bytes, __u64 address) {
	return replay->read_user(replay->context, to, bytes, address);
}

struct scratch;
struct memory;
static struct scratch *get_scratch(void);
static struct memory *get_memory(void);

#endif
