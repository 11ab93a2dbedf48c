/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a CPU remembers from sample to sample of the code and the processes that it has walked through, each thing in the
 * one place that its address or number leads to. See at each by what it becomes void.
 */
#ifndef KILN_MEMORY_BPF_H
#define KILN_MEMORY_BPF_H

#include "bpf/environment.bpf.h"
#include "bpf/unwind_table.h"

/* Powers of two. Together less than 100 KiB for each CPU. */
enum {
	KILN_ROW_ENTRIES = 4096,
	KILN_CODE_ENTRIES = 256,
	KILN_PROCESS_ENTRIES = 16,
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

struct memory {
	struct row_memo rows[KILN_ROW_ENTRIES];
	struct code_entry code[KILN_CODE_ENTRIES];
	struct process_entry processes[KILN_PROCESS_ENTRIES];
};

#ifndef KILN_REPLAY
/* One entry per possible CPU (agent/collect/sampler.cc sets the number): values of per-CPU maps hold at most 32 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct memory);
} memories SEC(".maps");

static __always_inline struct memory *get_memory(void) {
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&memories, &cpu);
}
#endif

/* The place of an address in memory.rows. Calls are rarely closer than 4 bytes. */
static __always_inline __u64 row_place(__u64 address) {
	return MASKED(address >> 2 ^ address >> 14, KILN_ROW_ENTRIES);
}

static __always_inline struct row_memo *row_for(struct memory *memory, __u64 address) {
	return &memory->rows[row_place(address)];
}

static __always_inline struct code_entry *code_for(struct memory *memory, __u64 address) {
	return &memory->code[MASKED(address >> KILN_PAGE_SHIFT, KILN_CODE_ENTRIES)];
}

static __always_inline struct process_entry *process_for(struct memory *memory, __u32 tgid) {
	return &memory->processes[MASKED(tgid, KILN_PROCESS_ENTRIES)];
}

#endif
