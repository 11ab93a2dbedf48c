// SPDX-License-Identifier: GPL-2.0-only
/* The floor under every sampler: what the kernel spends on an event and on entering a BPF program that does nothing. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("perf_event")
int on_sample(void* context) { return 0; }
