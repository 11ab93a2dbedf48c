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

/* The end of each step: the caller's registers are known, it becomes the frame that the walk stands on. */
static __always_inline int enter_caller(struct scratch *scratch, __u64 ip, __u64 sp, __u64 fp, __u32 known) {
	ip = code_pointer(ip);
	if (ip == 0)
		return KILN_STOP_ROOT; /* thread start code pushes a zero return address */
	if (!push_native(scratch, ip, KILN_FRAME_RETURN_ADDRESS))
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

/* A plain row: kinds SP, FP and OTHER. */
static __always_inline int leave_plain_frame(struct scratch *scratch, __u32 row, __u32 tracked) {
	__u32 known = known_after(scratch->walk.known, tracked);
	__u64 sp = REGS_SP(&scratch->regs);
	__u64 fp = REGS_FP(&scratch->regs);
	__u64 saved = KILN_ROW_B(row) * 8;
	__u64 cfa = (KILN_ROW_KIND(row) == KILN_ROW_FP ? fp : sp) + KILN_ROW_A(row) * 8;
	__u64 ip;

#if defined(KILN_X86)
	if (KILN_ROW_KIND(row) == KILN_ROW_OTHER)
		scratch->walk.derived++;
	if (cfa <= sp)
		return KILN_STOP_NO_PROGRESS;
	if (saved) {
		if (read_pair(scratch, cfa - saved, cfa - 8, &fp, &ip))
			return KILN_STOP_READ_FAULT;
	} else if (read_pair(scratch, cfa - 8, cfa - 8, &ip, &ip)) {
		return KILN_STOP_READ_FAULT;
	}
#elif defined(KILN_ARM64)
	if (!saved) {
		/* The return address is in LR still, which is so only in a frame that was interrupted. */
		if (scratch->walk.known != KNOWN_ALL)
			return KILN_STOP_REGISTER_LOST;
		ip = scratch->regs.regs[KILN_ARM64_LR];
		if (cfa < sp)
			return KILN_STOP_NO_PROGRESS;
	} else {
		if (cfa <= sp)
			return KILN_STOP_NO_PROGRESS;
		if (KILN_ROW_KIND(row) != KILN_ROW_OTHER) {
			if (read_pair(scratch, cfa - saved, cfa - saved + 8, &fp, &ip))
				return KILN_STOP_READ_FAULT;
		} else if (read_pair(scratch, cfa - saved, cfa - saved, &ip, &ip)) {
			return KILN_STOP_READ_FAULT;
		}
	}
#endif
	return enter_caller(scratch, ip, cfa, fp, known);
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
