/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The walk of the user stack: bounded loops. Steps by remembered rows are taken in the loop itself, all others by global
 * functions. Each of these looks its state up in the per-CPU scratch and is verified once, by itself, so steps for other
 * kinds of code (interpreters) add up in verifier cost instead of multiplying, and 5.10 takes the same source as the newest
 * kernel.
 *
 * The code range that an address lies in says which step leads on (enum kiln_walker).
 */
#ifndef KILN_WALK_BPF_H
#define KILN_WALK_BPF_H

#include "bpf/arch.bpf.h"
#include "bpf/memory.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/walk_ranges.bpf.h"
#include "bpf/walk_table.bpf.h"
#include "bpf/wire.h"

/*
 * The step from a frame at `address` of which no row is remembered. A global function of its own: the verifier takes it
 * apart from the usual way, and that stays short.
 */
__noinline int step_by_code(__u64 address) {
	struct scratch *scratch = get_scratch();
	struct memory *memory = get_memory();
	const struct code_entry *code;
	int stop;

	if (!scratch || !memory)
		return KILN_STOP_NO_REGISTERS;
	code = code_for(memory, address);
	if (address < code->start || address >= code->end || code->stamp != scratch->walk.stamp ||
	    code->validity != scratch->walk.validity) {
		stop = find_code(address);
		if (stop)
			return stop;
	}
	switch (code->walker) {
	case KILN_WALKER_TABLE:
		return step_table(scratch, code, address);
	case KILN_WALKER_FRAME_POINTER:
		return step_frame_pointer(scratch);
	default:
		return KILN_STOP_RANGE_UNKNOWN;
	}
}

/*
 * Before the first step: the thread's registers are in scratch->regs. Notes the innermost frame. A thread in a system call
 * has the address behind the instruction, where another function may begin already (exit does not come back): like a
 * return address. Returns 0 if there is no room.
 */
static __always_inline int start_walk(struct scratch *scratch) {
	int in_syscall = regs_are_in_syscall(&scratch->regs);

	scratch->walk.known = KNOWN_ALL;
	scratch->walk.is_return_address = in_syscall;
	scratch->walk.near_stack_end = 0;
	scratch->walk.steps = 0;
	scratch->walk.window_bytes = 0;
	scratch->walk.ranges = 0;
	scratch->walk.range_count = 0;
	scratch->walk.derived = 0;
	scratch->walk.process_flags = 0;
	scratch->walk.stamp = 0;
	return push_native(scratch, REGS_IP(&scratch->regs), in_syscall ? KILN_FRAME_RETURN_ADDRESS : 0);
}

/* Whether there is more than the innermost frame, by the registers alone: WALK_GOES_ON or why not. */
static __always_inline int stop_at_start(const struct scratch *scratch) {
	if (regs_are_32bit(&scratch->regs))
		return KILN_STOP_COMPAT_32BIT;
	return regs_are_of_new_thread(&scratch->regs) ? KILN_STOP_ROOT : WALK_GOES_ON;
}

/* Lets the walk know the code of a process (struct kiln_process). */
static __always_inline void enter_code(struct scratch *scratch, kiln_ref ranges, __u32 range_count, __u32 flags,
				       __u32 stamp) {
	__u64 validity = (__u64)unwind_generation << 32 | unwind_epoch;

	scratch->walk.ranges = ranges;
	scratch->walk.range_count = range_count;
	scratch->walk.process_flags = flags;
	scratch->walk.stamp = stamp;
	scratch->walk.validity = validity;
	if (scratch->walk.range_stamp != stamp || scratch->walk.range_validity != validity) {
		scratch->walk.range[0].end = 0;
		scratch->walk.range[1].end = 0;
		scratch->walk.range_stamp = stamp;
		scratch->walk.range_validity = validity;
	}
}

enum {
	WALK_STRIDE = 40
};

/*
 * Some steps: by the remembered rows right here, with what they change in registers, else by step_by_code. The verifier
 * follows no more than 8192 jumps in a row: one loop around all steps would be too long for it. Returns WALK_GOES_ON or why
 * the walk ended.
 */
__noinline int walk_some(void) {
	struct scratch *scratch = get_scratch();
	struct memory *memory = get_memory();
	struct frame frame;
	int stop;

	if (!scratch || !memory)
		return KILN_STOP_NO_REGISTERS;
	frame.ip = REGS_IP(&scratch->regs);
	frame.sp = REGS_SP(&scratch->regs);
	frame.fp = REGS_FP(&scratch->regs);
	for (int i = 0; i < WALK_STRIDE; i++) {
		__u64 from = frame.ip, address = from - scratch->walk.is_return_address;
		__u64 place = row_place(address);
		const struct row_memo *memo = &memory->rows[place];

		scratch->walk.places[MASKED(scratch->walk.steps++, KILN_PLACES)] = place;
		/* The key has room for 48 bits: what is no address must not look like one with an epoch. */
		if (memo->key != memo_key(address) || memo->stamp != scratch->walk.stamp || !memo->stamp ||
		    address >> 48) {
			REGS_IP(&scratch->regs) = frame.ip;
			REGS_SP(&scratch->regs) = frame.sp;
			REGS_FP(&scratch->regs) = frame.fp;
			stop = step_by_code(address);
			if (stop != WALK_GOES_ON)
				return stop;
			frame.ip = REGS_IP(&scratch->regs);
			frame.sp = REGS_SP(&scratch->regs);
			frame.fp = REGS_FP(&scratch->regs);
			continue;
		}
		stop = leave_frame(scratch, memo->row, &frame);
		if (stop != WALK_GOES_ON)
			return stop;
		frame.ip = code_pointer(frame.ip);
		if (frame.ip == 0)
			return KILN_STOP_ROOT;
		if (!push_return(scratch, frame.ip, from))
			return KILN_STOP_DEPTH_LIMIT;
		scratch->walk.known = KNOWN_NONE;
		scratch->walk.is_return_address = 1;
	}
	REGS_IP(&scratch->regs) = frame.ip;
	REGS_SP(&scratch->regs) = frame.sp;
	REGS_FP(&scratch->regs) = frame.fp;
	return WALK_GOES_ON;
}

/* Walks from scratch->regs and appends to scratch->record. Returns why the walk ended. */
static __always_inline int walk_user_stack(void) {
	int stop;

	for (int i = 0; i < (KILN_MAX_USER_FRAMES - 1) / WALK_STRIDE; i++) {
		stop = walk_some();
		if (stop != WALK_GOES_ON)
			return stop;
	}
	return KILN_STOP_DEPTH_LIMIT;
}

#endif
