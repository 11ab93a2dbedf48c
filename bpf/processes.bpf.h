/* SPDX-License-Identifier: GPL-2.0-only */
/* What user space has told about the process that is sampled. */
#ifndef KILN_PROCESSES_BPF_H
#define KILN_PROCESSES_BPF_H

#include "bpf/counters.bpf.h"
#include "bpf/kernel.bpf.h"
#include "bpf/memory.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/walk.bpf.h"

/*
 * tgid -> kiln_ref of its struct kiln_process. Writer: agent/collect/sampler.cc. The value is written and read in one
 * piece, and what it names does not change, so a reader sees all of the old or all of the new.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KILN_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

enum {
	PROCESS_EXEC_PAGES = offsetof(struct kiln_process, exec_pages) / 8,
	PROCESS_TGID = offsetof(struct kiln_process, tgid) / 4,
	PROCESS_EXEC_ID = offsetof(struct kiln_process, exec_id) / 4,
	PROCESS_SNAPSHOT = offsetof(struct kiln_process, snapshot) / 4,
	PROCESS_RANGE_COUNT = offsetof(struct kiln_process, range_count) / 4,
	PROCESS_RANGES = offsetof(struct kiln_process, ranges) / 4,
	PROCESS_FLAGS = offsetof(struct kiln_process, flags) / 4,
	PROCESS_STALE = offsetof(struct kiln_process, stale) / 4,
	PROCESS_STAMP = offsetof(struct kiln_process, stamp) / 4,
};

/*
 * Counted up after each change of `processes`, and of what it leads to. Writers: agent/collect/sampler.cc, mark_stale.
 * What a CPU remembers of processes under another number is void. The number must be loaded before what it stands for: so it
 * is on x86-64; arm64 may swap the loads.
 */
__u32 process_generation = 0;

/* Takes what is known of process `tgid` over into `entry`. Returns 0 if something is, and it is not stale. */
static __always_inline int load_process(struct process_entry *entry, __u32 tgid, __u32 generation) {
	__u64 *found = bpf_map_lookup_elem(&processes, &tgid);
	const void *value;
	kiln_ref ref;
	__u32 at;

	if (!found)
		return -1;
	ref = *found;
	value = table_value(ref_value(ref));
	if (!value)
		return -1;
	at = ref_word(ref);
	if (word_at(value, at + PROCESS_TGID) != tgid || word_at(value, at + PROCESS_STALE))
		return -1;
	entry->start_ns = long_at(value, at / 2);
	entry->exec_pages = long_at(value, at / 2 + PROCESS_EXEC_PAGES);
	entry->tgid = tgid;
	entry->exec_id = word_at(value, at + PROCESS_EXEC_ID);
	entry->generation = generation;
	entry->snapshot = word_at(value, at + PROCESS_SNAPSHOT);
	entry->stamp = word_at(value, at + PROCESS_STAMP);
	entry->ranges = word_at(value, at + PROCESS_RANGES);
	entry->range_count = word_at(value, at + PROCESS_RANGE_COUNT);
	entry->flags = word_at(value, at + PROCESS_FLAGS);
	return 0;
}

/* Lets the walk know the code of the process, if what is known of it holds. Else its ranges stay empty. Returns 0 if so. */
static __always_inline int enter_process(struct memory *memory, struct scratch *scratch, __u64 start_ns, __u32 tgid,
					 __u32 exec_id, __u64 exec_pages) {
	struct process_entry *entry = process_for(memory, tgid);
	__u32 generation = process_generation;

	if ((entry->tgid != tgid || entry->generation != generation) && load_process(entry, tgid, generation))
		return -1;
	if (entry->start_ns != start_ns || entry->exec_id != exec_id || entry->exec_pages != exec_pages)
		return -1;
	scratch->record.sample.snapshot = entry->snapshot;
	enter_code(scratch, entry->ranges, entry->range_count, entry->flags, entry->stamp);
	return 0;
}

/* What is known of a process that replaces its code does not hold any more. */
static __always_inline void mark_stale(__u32 tgid) {
	__u64 *entry = bpf_map_lookup_elem(&processes, &tgid);
	kiln_ref ref;
	void *value;
	__u32 at;

	if (!entry)
		return;
	ref = *entry;
	value = table_value(ref_value(ref));
	at = ref_word(ref);
	if (!value || word_at(value, at + PROCESS_TGID) != tgid || word_at(value, at + PROCESS_STALE) ||
	    !(word_at(value, at + PROCESS_FLAGS) & KILN_PROCESS_REPLACES_CODE))
		return;
	((__u32 *)value)[MASKED(at + PROCESS_STALE, KILN_VALUE_WORDS)] = 1;
	__sync_fetch_and_add(&process_generation, 1);
}

#endif
