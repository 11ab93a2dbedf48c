// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sampler: one perf event per CPU calls on_sample at every tick. It asks whether the running thread is a target,
 * notes who it is, takes the kernel stack if the CPU was in the kernel, walks the user stack, and hands one record to
 * the CPU's ring buffer. on_fork keeps the table of targets complete when a target starts a child; on_mapping marks what
 * is known of a process as out of date.
 *
 * Every return before the record is handed over bumps a counter.
 */
#include "bpf/arch.bpf.h"
#include "bpf/counters.bpf.h"
#include "bpf/defer.bpf.h"
#include "bpf/filter.bpf.h"
#include "bpf/identity.bpf.h"
#include "bpf/kernel.bpf.h"
#include "bpf/processes.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/user_regs.bpf.h"
#include "bpf/walk.bpf.h"
#include "bpf/warm.bpf.h"
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

/* The user stack behind the words that are there. Returns why it ended. */
static __always_inline int take_user_stack(struct memory *memory, struct scratch *scratch, struct task_struct *task,
					   __u64 start_ns, __u64 exec_pages) {
	__u32 tgid = scratch->record.sample.pid;
	int stop;

	if (!start_walk(scratch))
		return KILN_STOP_DEPTH_LIMIT;
	stop = stop_at_start(scratch);
	if (stop != WALK_GOES_ON)
		return stop;
	if (enter_process(memory, scratch, start_ns, tgid, (__u32)TASK_READ(task, self_exec_id), exec_pages))
		return KILN_STOP_PROCESS_UNKNOWN;
	stop = walk_user_stack();
	if (scratch->walk.derived)
		scratch->record.sample.flags |= KILN_SAMPLE_DERIVED;
	return stop;
}

/* The ring of this CPU, NULL if it has none. */
static __always_inline void *find_ring(__u32 cpu) {
	__u32 index = cpu % KILN_MAX_RINGS;

	if (config.ring_count > 0 && config.ring_count < KILN_MAX_RINGS)
		index = cpu % config.ring_count;
	return bpf_map_lookup_elem(&rings, &index);
}

/* Hands the record over; wakes the reader only when the ring runs half full, it comes by on a timer otherwise. */
static __always_inline int submit(void *ring, struct scratch *scratch, int with_identity) {
	__u64 words = MASKED(scratch->walk.words, KILN_MAX_WORDS);
	__u64 flags = BPF_RB_NO_WAKEUP;
	long error;

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
	struct memory *memory;
	struct kiln_sample *sample;
	struct scratch *scratch;
	__u64 exec_pages = 0;
	__u32 kernel_words;
	__u16 flags = 0;
	__u64 start_ns;
	void *ring;
	int known;

	count(KILN_COUNTER_SAMPLES);
	if ((__u32)pid_tgid == 0) {
		count(KILN_COUNTER_IDLE);
		return 0;
	}
	leader = TASK_READ(task, group_leader);
	if (!is_target(task, leader, &flags))
		return 0;
	start_ns = bpf_ktime_get_ns();
	scratch = get_scratch();
	memory = get_memory();
	slot = find_identity_slot((__u32)pid_tgid);
	if (!scratch || !memory || !slot) {
		count(KILN_COUNTER_NO_SCRATCH);
		return 0;
	}
	ring = find_ring(bpf_get_smp_processor_id());
	if (!ring) {
		count(KILN_COUNTER_NO_RING);
		return 0;
	}

	sample = &scratch->record.sample;
	if (sample->pid == pid_tgid >> 32)
		warm_last_walk(memory, scratch);
	warm_first_step(memory, slot, pid_tgid >> 32, REGS_IP(&context->regs));
	sample->version = KILN_WIRE_VERSION;
	sample->type = KILN_RECORD_SAMPLE;
	sample->time_ns = start_ns;
	sample->pid = pid_tgid >> 32;
	sample->tid = (__u32)pid_tgid;
	sample->cpu = bpf_get_smp_processor_id();
	sample->kernel_stop = KILN_STOP_NONE;
	sample->user_stop = KILN_STOP_NONE;
	sample->snapshot = 0;
	scratch->walk.words = 0;

	scratch->regs.REGS_MODE_FIELD = context->regs.REGS_MODE_FIELD;
	if (regs_are_user(&scratch->regs)) {
		flags |= KILN_SAMPLE_USER_MODE;
	} else {
		if (config.kernel_stacks)
			sample->kernel_stop = take_kernel_stack(context, scratch);
		if (is_in_exec(task))
			flags |= KILN_SAMPLE_IN_EXEC;
	}
	kernel_words = scratch->walk.words;
	sample->flags = flags;

	if (TASK_READ(task, flags) & KILN_PF_KTHREAD) {
		sample->flags |= KILN_SAMPLE_KERNEL_THREAD;
	} else if (!TASK_READ(task, mm)) {
		sample->user_stop = KILN_STOP_MEMORY_GONE;
	} else if (take_user_regs(context, task, flags & KILN_SAMPLE_USER_MODE, &scratch->regs)) {
		sample->user_stop = KILN_STOP_NO_REGISTERS;
	} else if (REGS_IP(&scratch->regs) || REGS_SP(&scratch->regs)) {
		exec_pages = code_pages(task);
		sample->user_stop =
			take_user_stack(memory, scratch, task, TASK_READ(leader, start_boottime), exec_pages);
	}
	/* else a thread of the kernel's in a user process (io_uring's workers): its user registers are zero */

	sample->kernel_words = kernel_words;
	sample->user_words = scratch->walk.words - kernel_words;
	if (walk_lacks_tables(sample->user_stop) &&
	    !send_stack(context, ring, scratch, task, (__u32)TASK_READ(task, self_exec_id), exec_pages))
		sample->flags |= KILN_SAMPLE_HAS_STACK;

	known = identity_is_known(slot, task, leader, (__u32)pid_tgid);
	if (!known)
		fill_identity(&scratch->record.identity, slot, task, leader);
	if (submit(ring, scratch, !known))
		slot->tid = 0;
	if (config.measures_cost)
		count_more(KILN_COUNTER_RUN_NS, bpf_ktime_get_ns() - start_ns);
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

/*
 * A process looks for room for a new mapping. Whether it will hold code is not known yet, so this counts only for
 * processes that are known to replace code; the others are noticed by mm_struct.exec_vm and by events.
 * include/trace/events/mmap.h, 5.7+.
 */
SEC("tp_btf/vm_unmapped_area")
int on_mapping(__u64 *arguments) {
	mark_stale(bpf_get_current_pid_tgid() >> 32);
	return 0;
}
