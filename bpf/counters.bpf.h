/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KILN_COUNTERS_BPF_H
#define KILN_COUNTERS_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/wire.h"

/* Reader: agent/collect/sampler.cc, which sums over the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KILN_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count_more(enum kiln_counter counter, __u64 more) {
	__u32 key = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += more;
}

static __always_inline void count(enum kiln_counter counter) {
	count_more(counter, 1);
}

#endif
