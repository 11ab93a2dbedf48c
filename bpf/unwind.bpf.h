/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk of the user stack: one bounded loop around one global function that takes one step. Each step looks its state
 * up in the per-CPU scratch and is verified once, by itself, so steps for other kinds of code (CFI tables, interpreters)
 * add up in verifier cost instead of multiplying, and 5.10 takes the same source as the newest kernel.
 *
 * So far there is one kind: frame pointers. Each frame is [fp] = caller's fp, [fp + 8] = return address, both on x86-64
 * (push rbp; mov rbp, rsp) and arm64 (stp x29, x30). Code that keeps no frame pointers ends the walk with a reason, or
 * hides its caller; nothing here guesses.
 */
#ifndef KILN_UNWIND_BPF_H
#define KILN_UNWIND_BPF_H

#include "bpf/arch.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/wire.h"

enum {
	WALK_GOES_ON = 0
}; /* else an enum kiln_stop */

/* Appends a native frame. Returns 0 if there is no room. */
static __always_inline int push_native(struct scratch *scratch, __u64 address, __u64 flags) {
	__u32 used = scratch->walk.words;

	/* Never all of them: a full count would be masked to 0 in submit(). */
	if (used > KILN_MAX_WORDS - 3)
		return 0;
	if (address >> 48) {
		scratch->record.words[MASKED(used, KILN_MAX_WORDS)] = KILN_FRAME_WORD(KILN_FRAME_NATIVE, flags, 2, 0);
		scratch->record.words[MASKED(used + 1, KILN_MAX_WORDS)] = address;
		scratch->walk.words = used + 2;
		return 1;
	}
	scratch->record.words[MASKED(used, KILN_MAX_WORDS)] = KILN_FRAME_WORD(KILN_FRAME_NATIVE, flags, 1, address);
	scratch->walk.words = used + 1;
	return 1;
}

/* The two words at `fp`, by way of the window: from it, from a new one, or alone where the stack ends too soon for one. */
static __always_inline int read_frame(struct scratch *scratch, __u64 fp, __u64 frame[2]) {
	__u64 word = (fp - scratch->walk.window) / 8;

	if (!scratch->walk.window || word >= KILN_WINDOW_WORDS - 1) {
		/* A read that fails costs as much as 20 good ones: where a window does not fit once, none is tried again. */
		if (scratch->walk.no_window)
			return bpf_probe_read_user(frame, 2 * sizeof(__u64), (void *)fp);
		if (bpf_probe_read_user(scratch->window, sizeof(scratch->window), (void *)fp)) {
			scratch->walk.no_window = 1;
			scratch->walk.window = 0;
			return bpf_probe_read_user(frame, 2 * sizeof(__u64), (void *)fp);
		}
		scratch->walk.window = fp;
		word = 0;
	}
	frame[0] = scratch->window[MASKED(word, KILN_WINDOW_WORDS)];
	frame[1] = scratch->window[MASKED(word + 1, KILN_WINDOW_WORDS)];
	return 0;
}

static __always_inline int step_frame_pointer(struct scratch *scratch) {
	__u64 frame[2]; /* caller's frame pointer, return address */
	__u64 fp = scratch->walk.fp;

	if (fp == 0)
		return KILN_STOP_ROOT; /* the ABIs: the deepest frame is marked by a zero frame pointer */
	if (fp & 7 || fp < scratch->walk.sp)
		return KILN_STOP_BAD_FRAME_POINTER;
	if (read_frame(scratch, fp, frame))
		return KILN_STOP_READ_FAULT;
	if (frame[1] == 0)
		return KILN_STOP_ROOT; /* thread start code pushes a zero return address */
	if (!push_native(scratch, frame[1], KILN_FRAME_RETURN_ADDRESS))
		return KILN_STOP_DEPTH_LIMIT;
	scratch->walk.fp = frame[0];
	scratch->walk.sp = fp + 16; /* the caller's frame lies above: no loops */
	return WALK_GOES_ON;
}

/* One step of the walk on this CPU. Returns WALK_GOES_ON or why it ended. */
__noinline int walk_step(void) {
	struct scratch *scratch = get_scratch();

	if (!scratch)
		return KILN_STOP_NO_REGISTERS;
	switch (scratch->walk.walker) {
	case WALKER_FRAME_POINTER:
		return step_frame_pointer(scratch);
	default:
		return KILN_STOP_NO_REGISTERS;
	}
}

/* Walks from scratch->regs (user registers) and appends to scratch->record. Returns why the walk ended. */
static __always_inline int walk_user_stack(struct scratch *scratch) {
	int stop;

	if (regs_are_32bit(&scratch->regs)) {
		push_native(scratch, REGS_IP(&scratch->regs), 0);
		return KILN_STOP_COMPAT_32BIT;
	}
	scratch->walk.fp = REGS_FP(&scratch->regs);
	scratch->walk.sp = REGS_SP(&scratch->regs);
	scratch->walk.walker = WALKER_FRAME_POINTER;
	scratch->walk.window = 0;
	scratch->walk.no_window = 0;
	if (!push_native(scratch, REGS_IP(&scratch->regs), 0))
		return KILN_STOP_DEPTH_LIMIT;
	for (int i = 1; i < KILN_MAX_USER_FRAMES; i++) {
		stop = walk_step();
		if (stop != WALK_GOES_ON)
			return stop;
	}
	return KILN_STOP_DEPTH_LIMIT;
}

#endif
