/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is sampled, decided before any stack work. Filters of different kinds must all let a sample through; inside a kind
 * one match is enough.
 */
#ifndef KILN_FILTER_BPF_H
#define KILN_FILTER_BPF_H

#include "bpf/counters.bpf.h"
#include "bpf/kernel.bpf.h"
#include "bpf/wire.h"

/* Writer: agent/collect/sampler.cc before loading. */
const volatile struct kiln_config config = {};

/*
 * Processes to sample: tgid -> start (process_start_ns), so that a reused pid is not taken for its predecessor; 0 means
 * any. User space enters the roots and removes the dead, on_fork adds the children. Preallocated: before 6.1 perf_event
 * programs may use no other hash.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u64);
} target_pids SEC(".maps");

/* Names that user space has judged (enum kiln_comm_verdict); regular expressions don't run in the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, char[KILN_COMM_BYTES]);
	__type(value, __u8);
} comm_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, KILN_MAX_CGROUPS);
	__type(key, __u32);
	__type(value, __u32);
} target_cgroups SEC(".maps");

static __always_inline int is_target_process(struct task_struct *leader) {
	__u32 tgid = BPF_CORE_READ(leader, tgid);
	__u64 *start = bpf_map_lookup_elem(&target_pids, &tgid);

	return start && (*start == 0 || *start == BPF_CORE_READ(leader, start_boottime));
}

static __always_inline __u8 comm_verdict(struct task_struct *task) {
	char comm[KILN_COMM_BYTES] = {};
	__u8 *verdict;

	BPF_CORE_READ_STR_INTO(&comm, task, comm);
	verdict = bpf_map_lookup_elem(&comm_verdicts, comm);
	return verdict ? *verdict : KILN_COMM_UNKNOWN;
}

static __always_inline int in_target_cgroup(void) {
	for (int i = 0; i < KILN_MAX_CGROUPS && i < config.cgroup_count; i++) {
		if (bpf_current_task_under_cgroup(&target_cgroups, i) == 1)
			return 1;
	}
	return 0;
}

/* Nonzero if the current task is to be sampled; sets KILN_SAMPLE_UNDECIDED in *flags where user space has to judge. */
static __always_inline int is_target(struct task_struct *task, struct task_struct *leader, __u16 *flags) {
	if (config.filter_pids && !is_target_process(leader)) {
		count(KILN_COUNTER_NOT_TARGET_PID);
		return 0;
	}
	if (config.cgroup_count > 0 && !in_target_cgroup()) {
		count(KILN_COUNTER_NOT_TARGET_CGROUP);
		return 0;
	}
	if (config.filter_comm) {
		__u8 thread = comm_verdict(task);
		__u8 process = comm_verdict(leader);

		if (thread == KILN_COMM_MATCHES || process == KILN_COMM_MATCHES)
			return 1;
		if (thread == KILN_COMM_DIFFERS && process == KILN_COMM_DIFFERS) {
			count(KILN_COUNTER_NOT_TARGET_COMM);
			return 0;
		}
		*flags |= KILN_SAMPLE_UNDECIDED;
	}
	return 1;
}

#endif
