/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the walk needs of its surroundings: user memory, table memory, its per-CPU state. In the kernel these are BPF
 * helpers and maps; under KILN_REPLAY they are functions of user space (bpf/replay.c), so that the very same walk can be
 * stepped through, fuzzed and run on recorded stacks.
 */
#ifndef KILN_ENVIRONMENT_BPF_H
#define KILN_ENVIRONMENT_BPF_H

#ifdef KILN_REPLAY
#include "bpf/replay_environment.h"
#else

#include "bpf/kernel.bpf.h"
#include "bpf/unwind_table.h"

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

/* Hides a value's origin from the compiler, so that it makes no branch out of arithmetic. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

struct unwind_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KILN_CHUNK_VALUES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u8[KILN_VALUE_BYTES]);
};

/* Table memory (unwind_table.h). Writer: agent/collect/sampler.cc adds chunks, agent/unwind fills them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, KILN_MAX_CHUNKS);
	__type(key, __u32);
	__array(values, struct unwind_chunk);
} unwind_tables SEC(".maps");

/* Writer: agent/unwind, which counts it up now and then. The walk notes it in each page that it uses. */
__u32 unwind_epoch = 0;

/*
 * Writer: agent/unwind, which counts it up before it waits for readers of the memory that it is going to reuse. A CPU may
 * keep references to table memory from sample to sample, as long as this number stays: a walk that still finds the old
 * one is among the readers that are waited for.
 */
__u32 unwind_generation = 0;

/* A value of table memory: KILN_VALUE_BYTES, or NULL if there is none of that number. */
static __always_inline void *table_value(__u32 number) {
	__u32 chunk = number / KILN_CHUNK_VALUES;
	__u32 entry = number % KILN_CHUNK_VALUES;
	void *values = bpf_map_lookup_elem(&unwind_tables, &chunk);

	return values ? bpf_map_lookup_elem(values, &entry) : NULL;
}

/* 0 on success; otherwise *to is undefined. */
static __always_inline int read_user(void *to, __u32 bytes, __u64 address) {
	return bpf_probe_read_user(to, bytes, (const void *)address) ? -1 : 0;
}

#endif /* KILN_REPLAY */

static __always_inline __u32 ref_value(kiln_ref ref) {
	return ref >> KILN_REF_WORD_BITS;
}
static __always_inline __u32 ref_word(kiln_ref ref) {
	return ref & (KILN_VALUE_WORDS - 1);
}

/* Words of a value. An index beyond the value wraps around: whatever lies in table memory, no read leaves it. */
static __always_inline __u32 word_at(const void *value, __u64 word) {
	return ((const __u32 *)value)[MASKED(word, KILN_VALUE_WORDS)];
}
/* Notes that the page at `word` of the value was used, for the choice of what to evict. */
static __always_inline void note_page_use(void *value, __u64 word) {
	__u32 *last_used = (__u32 *)value + MASKED(word, KILN_VALUE_WORDS);

	if (*last_used != unwind_epoch)
		*last_used = unwind_epoch;
}

static __always_inline __u64 long_at(const void *value, __u64 index) {
	return ((const __u64 *)value)[MASKED(index, KILN_VALUE_BYTES / 8)];
}
static __always_inline __u16 half_at(const void *value, __u64 index) {
	return ((const __u16 *)value)[MASKED(index, KILN_VALUE_BYTES / 2)];
}

#endif
