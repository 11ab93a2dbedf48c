// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sampler: one perf event per CPU calls on_sample at every tick. It asks whether the running thread is a target,
 * notes who it is, takes the kernel stack if the CPU was in the kernel, walks the user stack, and hands one record to
 * the CPU's ring buffer. on_fork keeps the table of targets complete when a target starts a child.
 *
 * Every return before the record is handed over bumps a counter.
 */
#include "bpf/arch.bpf.h"
#include "bpf/counters.bpf.h"
#include "bpf/filter.bpf.h"
#include "bpf/identity.bpf.h"
#include "bpf/kernel.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/unwind.bpf.h"
#include "bpf/user_regs.bpf.h"
#include "bpf/wire.h"

char LICENSE[] SEC("license") = "GPL";

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* only the shape counts: user space creates the real ones */
};

/* Writer: on_sample. Reader: agent/collect/sampler.cc. One ring per CPU, so that CPUs share no lock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, KILN_MAX_RINGS);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

/* The kernel stack to the start of the words, innermost first. Returns why it ended. */
static __always_inline int take_kernel_stack(void *context, struct scratch *scratch) {
	long bytes = bpf_get_stack(context, scratch->record.words, KILN_MAX_KERNEL_FRAMES * sizeof(__u64), 0);

	if (bytes <= 0) {
		count(KILN_COUNTER_KERNEL_STACK_FAILED);
		return KILN_STOP_KERNEL_UNREADABLE;
	}
	scratch->walk.words = (__u64)bytes / sizeof(__u64);
	return scratch->walk.words >= config.kernel_frames ? KILN_STOP_KERNEL_DEPTH_LIMIT : KILN_STOP_ROOT;
}

/* Hands the record over; wakes the reader only when the ring runs half full, it comes by on a timer otherwise. */
static __always_inline int submit(struct scratch *scratch, int with_identity) {
	__u32 ring_index = scratch->record.sample.cpu % KILN_MAX_RINGS;
	__u64 words = MASKED(scratch->walk.words, KILN_MAX_WORDS);
	__u64 flags = BPF_RB_NO_WAKEUP;
	void *ring;
	long error;

	if (config.ring_count > 0 && config.ring_count < KILN_MAX_RINGS)
		ring_index = scratch->record.sample.cpu % config.ring_count;
	ring = bpf_map_lookup_elem(&rings, &ring_index);
	if (!ring) {
		count(KILN_COUNTER_NO_RING);
		return -1;
	}
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > config.ring_bytes / 2) {
		flags = BPF_RB_FORCE_WAKEUP;
		count(KILN_COUNTER_WAKEUPS);
	}
	if (with_identity)
		error = bpf_ringbuf_output(ring, &scratch->record.identity,
					   sizeof(struct kiln_identity) + sizeof(struct kiln_sample) + words * 8,
					   flags);
	else
		error = bpf_ringbuf_output(ring, &scratch->record.sample, sizeof(struct kiln_sample) + words * 8,
					   flags);
	if (error) {
		count(KILN_COUNTER_RING_FULL);
		return -1;
	}
	count(KILN_COUNTER_SUBMITTED);
	return 0;
}

SEC("perf_event")
int on_sample(struct kiln_perf_event_context *context) {
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = current_task();
	struct task_struct *leader;
	struct identity_slot *slot;
	struct kiln_sample *sample;
	struct scratch *scratch;
	__u32 kernel_words;
	__u16 flags = 0;
	int known;

	count(KILN_COUNTER_SAMPLES);
	if ((__u32)pid_tgid == 0) {
		count(KILN_COUNTER_IDLE);
		return 0;
	}
	leader = TASK_READ(task, group_leader);
	if (!is_target(task, leader, &flags))
		return 0;
	scratch = get_scratch();
	if (!scratch) {
		count(KILN_COUNTER_NO_SCRATCH);
		return 0;
	}

	sample = &scratch->record.sample;
	sample->version = KILN_WIRE_VERSION;
	sample->type = KILN_RECORD_SAMPLE;
	sample->time_ns = bpf_ktime_get_ns();
	sample->pid = pid_tgid >> 32;
	sample->tid = (__u32)pid_tgid;
	sample->cpu = bpf_get_smp_processor_id();
	sample->kernel_stop = KILN_STOP_NONE;
	sample->user_stop = KILN_STOP_NONE;
	sample->reserved = 0;
	scratch->walk.words = 0;

	/* Field by field: the context may only be read in its own words. */
	scratch->regs.REGS_MODE_FIELD = context->regs.REGS_MODE_FIELD;
	if (regs_are_user(&scratch->regs)) {
		flags |= KILN_SAMPLE_USER_MODE;
		REGS_IP(&scratch->regs) = REGS_IP(&context->regs);
		REGS_SP(&scratch->regs) = REGS_SP(&context->regs);
		REGS_FP(&scratch->regs) = REGS_FP(&context->regs);
	} else if (config.kernel_stacks) {
		sample->kernel_stop = take_kernel_stack(context, scratch);
	}
	kernel_words = scratch->walk.words;

	if (TASK_READ(task, flags) & KILN_PF_KTHREAD)
		flags |= KILN_SAMPLE_KERNEL_THREAD;
	else if (!(flags & KILN_SAMPLE_USER_MODE) && saved_user_regs(task, &scratch->regs))
		sample->user_stop = KILN_STOP_NO_REGISTERS;
	else if (REGS_IP(&scratch->regs) || REGS_SP(&scratch->regs))
		sample->user_stop = walk_user_stack(scratch);
	/* else a thread of the kernel's in a user process (io_uring's workers): its user registers are zero */

	sample->flags = flags;
	sample->kernel_words = kernel_words;
	sample->user_words = scratch->walk.words - kernel_words;

	fill_identity(&scratch->record.identity, task, leader);
	slot = &scratch->identities[MASKED((__u32)pid_tgid, KILN_IDENTITY_SLOTS)];
	known = identity_is_known(slot, &scratch->record.identity, (__u32)pid_tgid);
	if (submit(scratch, !known))
		slot->tid = 0;
	return 0;
}

/* A target's child is a target, from before it runs for the first time. include/trace/events/sched.h */
SEC("tp_btf/sched_process_fork")
int on_fork(__u64 *arguments) {
	struct task_struct *parent = (struct task_struct *)arguments[0];
	struct task_struct *child = (struct task_struct *)arguments[1];
	__u32 tgid = BPF_CORE_READ(child, tgid);
	__u64 start = BPF_CORE_READ(child, start_boottime);

	if (tgid != (__u32)BPF_CORE_READ(child, pid))
		return 0; /* a thread */
	if (!is_target_process(BPF_CORE_READ(parent, group_leader)))
		return 0;
	if (bpf_map_update_elem(&target_pids, &tgid, &start, BPF_ANY))
		count(KILN_COUNTER_TARGETS_FULL);
	return 0;
}
