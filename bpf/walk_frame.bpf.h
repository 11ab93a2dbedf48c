/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From a frame to its caller's by a plain row, and what all steps do in the end: note the caller and stand on it. */
#ifndef KILN_WALK_FRAME_BPF_H
#define KILN_WALK_FRAME_BPF_H

#include "bpf/arch.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/stack_window.bpf.h"

enum {
	WALK_GOES_ON = 0
}; /* else an enum kiln_stop */

/* Appends a native frame. Returns 0 if there is no room. */
static __always_inline int push_native(struct scratch *scratch, __u64 address, __u64 flags) {
	__u32 used = scratch->walk.words;

	/* Never all of them: a full count would be masked to 0 in submit(). */
	if (used > KILN_MAX_WORDS - 3)
		return 0;
	scratch->walk.has_room = 0;
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

/* Appends the frame that the one at `from` returns to. Returns 0 if there is no room. */
static __always_inline int push_return(struct scratch *scratch, __u64 address, __u64 from) {
	const __u64 limit = 1ULL << (KILN_DIFFERENCE_BITS - 1);
	__u64 difference = address - from;
	__u32 used = scratch->walk.words;

	if (difference + limit >= 2 * limit)
		return push_native(scratch, address, KILN_FRAME_RETURN_ADDRESS);
	difference &= 2 * limit - 1;
	if (scratch->walk.has_room) {
		scratch->record.words[MASKED(used - 1, KILN_MAX_WORDS)] |=
			difference << KILN_DIFFERENCE_BITS | KILN_FRAME_RETURNS_TWO;
		scratch->walk.has_room = 0;
		return 1;
	}
	if (used > KILN_MAX_WORDS - 3)
		return 0;
	scratch->record.words[MASKED(used, KILN_MAX_WORDS)] = KILN_FRAME_RETURNS | difference;
	scratch->walk.words = used + 1;
	scratch->walk.has_room = 1;
	return 1;
}

/* The end of each step: the caller's registers are known, it becomes the frame that the walk stands on. */
static __always_inline int enter_caller(struct scratch *scratch, __u64 ip, __u64 sp, __u64 fp, __u32 known) {
	ip = code_pointer(ip);
	if (ip == 0)
		return KILN_STOP_ROOT; /* thread start code pushes a zero return address */
	if (!push_return(scratch, ip, REGS_IP(&scratch->regs)))
		return KILN_STOP_DEPTH_LIMIT;
	REGS_IP(&scratch->regs) = ip;
	REGS_SP(&scratch->regs) = sp;
	REGS_FP(&scratch->regs) = fp;
	scratch->walk.known = known;
	scratch->walk.is_return_address = 1;
	return WALK_GOES_ON;
}

/* Which register is known in the caller when the callee changed none but SP and FP. */
static __always_inline __u32 known_after(__u32 known, __u32 tracked) {
	return known == KNOWN_ALL || known == tracked ? tracked : KNOWN_NONE;
}

/* The registers that every step changes. */
struct frame {
	__u64 ip, sp, fp;
};

#if defined(KILN_X86)
/*
 * Makes *frame its caller by a plain row (kinds SP, FP and OTHER). Without branches on the row: functions with and without
 * a saved frame pointer come in no order that a CPU could learn. Returns WALK_GOES_ON or why the walk ends; the caller's IP
 * is as it was saved.
 */
static __always_inline int leave_frame(struct scratch *scratch, __u32 row, struct frame *frame) {
	__u64 by_fp = -(__u64)(KILN_ROW_KIND(row) & KILN_ROW_FP);
	__u64 saved = KILN_ROW_B(row) * 8;
	__u64 is_saved = -saved;
	__u64 cfa, fp;

	OPAQUE(by_fp);
	OPAQUE(is_saved);
	is_saved = (__u64)((__s64)is_saved >> 63);
	scratch->walk.derived += KILN_ROW_KIND(row) >> 1;
	cfa = (frame->sp ^ ((frame->sp ^ frame->fp) & by_fp)) + KILN_ROW_A(row) * 8;
	if (cfa <= frame->sp)
		return KILN_STOP_NO_PROGRESS;
	frame->sp = cfa;
	/* Where FP is not saved, the return address is read twice. */
	if (read_pair(scratch, cfa - saved - (8 & ~is_saved), cfa - 8, &fp, &frame->ip))
		return KILN_STOP_READ_FAULT;
	frame->fp ^= (frame->fp ^ fp) & is_saved;
	return WALK_GOES_ON;
}
#elif defined(KILN_ARM64)
/* The same for arm64's rows. */
static __always_inline int leave_frame(struct scratch *scratch, __u32 row, struct frame *frame) {
	__u64 cfa = (KILN_ROW_KIND(row) == KILN_ROW_FP ? frame->fp : frame->sp) + KILN_ROW_A(row) * 8;
	__u64 saved = KILN_ROW_B(row) * 8;
	__u64 sp = frame->sp;

	frame->sp = cfa;
	if (!saved) {
		/* The return address is in LR still, which is so only in a frame that was interrupted. */
		if (scratch->walk.known != KNOWN_ALL)
			return KILN_STOP_REGISTER_LOST;
		frame->ip = scratch->regs.regs[KILN_ARM64_LR];
		return cfa < sp ? KILN_STOP_NO_PROGRESS : WALK_GOES_ON;
	}
	if (cfa <= sp)
		return KILN_STOP_NO_PROGRESS;
	if (KILN_ROW_KIND(row) != KILN_ROW_OTHER) {
		if (read_pair(scratch, cfa - saved, cfa - saved + 8, &frame->fp, &frame->ip))
			return KILN_STOP_READ_FAULT;
	} else if (read_pair(scratch, cfa - saved, cfa - saved, &frame->ip, &frame->ip)) {
		return KILN_STOP_READ_FAULT;
	}
	return WALK_GOES_ON;
}
#endif

/* A step by a plain row. */
static __always_inline int leave_plain_frame(struct scratch *scratch, __u32 row, __u32 tracked) {
	__u32 known = known_after(scratch->walk.known, tracked);
	struct frame frame = {REGS_IP(&scratch->regs), REGS_SP(&scratch->regs), REGS_FP(&scratch->regs)};
	int stop = leave_frame(scratch, row, &frame);

	return stop == WALK_GOES_ON ? enter_caller(scratch, frame.ip, frame.sp, frame.fp, known) : stop;
}

/*
 * A step by frame pointer, for generated code: [fp] = caller's fp, [fp + 8] = return address, both on x86-64 (push rbp;
 * mov rbp, rsp) and arm64 (stp x29, x30). Code that keeps none ends the walk with a reason, or hides its caller.
 */
static __always_inline int step_frame_pointer(struct scratch *scratch) {
	__u64 fp = REGS_FP(&scratch->regs);
	__u64 caller_fp, ip;

	if (fp == 0)
		return KILN_STOP_ROOT; /* the ABIs: the deepest frame is marked by a zero frame pointer */
	if (fp & 7 || fp < REGS_SP(&scratch->regs))
		return KILN_STOP_BAD_FRAME_POINTER;
	if (read_pair(scratch, fp, fp + 8, &caller_fp, &ip))
		return KILN_STOP_READ_FAULT;
	return enter_caller(scratch, ip, fp + 16, caller_fp, KNOWN_NONE);
}

#endif
