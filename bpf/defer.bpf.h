/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks that can't be walked here yet, since user space has not told about the process or not loaded the table: their
 * registers and memory go to user space, which walks them by the same rules (bpf/replay.h). Only so long as that lasts.
 */
#ifndef KILN_DEFER_BPF_H
#define KILN_DEFER_BPF_H

#include "bpf/counters.bpf.h"
#include "bpf/filter.bpf.h"
#include "bpf/kernel.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/user_regs.bpf.h"

enum {
	/* Where the stack's end is not known, what follows may be something else. */
	UNBOUNDED_STACK_BYTES = 32767,
	MAX_THREAD_STACK_BYTES = 64 << 20,
	COPY_WINDOW_NS = 100 * 1000 * 1000,
	COPY_WAKEUP_NS = 2 * 1000 * 1000,
};

/* The last block may begin anywhere below the limit. */
struct stack_copy {
	struct kiln_stack header;
	__u8 stack[KILN_MAX_STACK_BYTES + 1 + KILN_STACK_BLOCK];
};

/* One entry per possible CPU (agent/collect/sampler.cc sets the number): per-CPU maps hold at most 32 KiB per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_copy);
} stack_copies SEC(".maps");

static __always_inline int walk_lacks_tables(int stop) {
	return stop == KILN_STOP_PROCESS_UNKNOWN || stop == KILN_STOP_RANGE_UNKNOWN || stop == KILN_STOP_TABLE_MISSING;
}

/*
 * How many bytes there are from `begin` to where the stack ends; 0 if that isn't known. The first thread's stack ends where
 * its arguments begin. C libraries put what the thread pointer points to above a thread's stack.
 */
static __always_inline __u64 stack_bytes_from(struct task_struct *task, __u64 begin) {
	struct mm_struct *mm = TASK_READ(task, mm);
	__u64 end = BPF_CORE_READ(mm, start_stack);
	__u64 bytes;

	if (TASK_READ(task, pid) != TASK_READ(task, tgid))
		end = TASK_READ(task, KILN_THREAD_POINTER);
	bytes = end - begin;
	return bytes < MAX_THREAD_STACK_BYTES ? bytes : 0;
}

/* Bytes that may be copied of stacks in 100 ms on one CPU. Writer: agent/collect/sampler.cc. */
__u32 stack_copy_bytes = 0;

/* Takes `bytes` from this CPU's allowance. Returns 0 if there is not so much left. */
static __always_inline int take_allowance(struct copy_allowance *allowance, __u64 now, __u64 bytes) {
	if (now - allowance->since_ns >= COPY_WINDOW_NS) {
		allowance->since_ns = now;
		allowance->bytes = stack_copy_bytes;
	}
	if (allowance->bytes < bytes)
		return 0;
	allowance->bytes -= bytes;
	return 1;
}

/*
 * Copies block by block, since the stack may end anywhere, and may have holes: beyond those only if `has_holes`. Sets bytes
 * and holes of the header: in memory, for the verifier need not follow them.
 */
static __always_inline void copy_stack(struct stack_copy *copy, __u64 begin, __u64 wanted, int has_holes) {
	__u64 done = 0;

	for (int i = 0; i <= (KILN_MAX_STACK_BYTES + 1) / KILN_STACK_BLOCK; i++) {
		__u64 address = begin + done;
		__u64 block = KILN_STACK_BLOCK - (address & (KILN_STACK_BLOCK - 1));

		if (done >= wanted)
			break;
		if (block > wanted - done)
			block = wanted - done;
		block = MASKED(block - 1, KILN_STACK_BLOCK) + 1;
		if (!read_user(copy->stack + MASKED(done, KILN_MAX_STACK_BYTES + 1), block, address))
			copy->header.stack_bytes = done + block;
		else if (has_holes)
			copy->header.holes |= 1U << i;
		else
			break;
		done += block;
	}
}

/* Hands registers and stack over to `ring`. Returns 0 if the sample may announce them. */
static __always_inline int send_stack(struct kiln_perf_event_context *context, void *ring, struct scratch *scratch,
				      struct task_struct *task, __u32 exec_id, __u64 exec_pages) {
	const struct kiln_sample *sample = &scratch->record.sample;
	__u32 cpu = sample->cpu;
	struct stack_copy *copy = bpf_map_lookup_elem(&stack_copies, &cpu);
	__u64 flags = BPF_RB_NO_WAKEUP, waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	__u64 begin, all, wanted, bytes;

	/* The walk has changed its registers by now. */
	if (!copy || take_user_regs(context, task, sample->flags & KILN_SAMPLE_USER_MODE, &copy->header.regs))
		return -1;
	/* The sooner user space knows what is lacking, the fewer stacks are to be copied. */
	if (waiting > config.ring_bytes / 2 || sample->time_ns - scratch->copies.woken_ns > COPY_WAKEUP_NS) {
		flags = BPF_RB_FORCE_WAKEUP;
		scratch->copies.woken_ns = sample->time_ns;
		count(KILN_COUNTER_WAKEUPS);
	}
	copy->header.version = KILN_WIRE_VERSION;
	copy->header.type = KILN_RECORD_STACK;
	copy->header.cpu = cpu;
	copy->header.time_ns = sample->time_ns;
	copy->header.exec_pages = exec_pages;
	copy->header.exec_id = exec_id;
	copy->header.holes = 0;
	begin = REGS_SP(&copy->header.regs) - KILN_RED_ZONE_BYTES;
	all = stack_bytes_from(task, begin);
	wanted = all ? all : UNBOUNDED_STACK_BYTES;
	if (wanted > KILN_MAX_STACK_BYTES)
		wanted = KILN_MAX_STACK_BYTES;
	copy->header.stack_bytes = 0;
	/* A copy must not take the room of samples. */
	if (waiting < config.ring_bytes / 4 * 3 && take_allowance(&scratch->copies, sample->time_ns, wanted))
		copy_stack(copy, begin, wanted, all != 0);
	else
		count(KILN_COUNTER_STACK_COPIES_LIMITED);
	bytes = MASKED(copy->header.stack_bytes, KILN_MAX_STACK_BYTES + 1);
	copy->header.stack_bytes = bytes;
	if (bpf_ringbuf_output(ring, copy, sizeof(struct kiln_stack) + bytes, flags)) {
		count(KILN_COUNTER_STACK_COPIES_LOST);
		return -1;
	}
	count(KILN_COUNTER_STACKS_COPIED);
	return 0;
}

#endif
