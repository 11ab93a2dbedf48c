/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A step by an extended rule (struct kiln_rule): what a row of 32 bits can't say. */
#ifndef KILN_WALK_RULE_BPF_H
#define KILN_WALK_RULE_BPF_H

#include "bpf/scratch.bpf.h"
#include "bpf/walk_frame.bpf.h"

static __always_inline int special_stop(__u32 special) {
	switch (special) {
	case KILN_SPECIAL_ROOT:
		return KILN_STOP_ROOT;
	case KILN_SPECIAL_INEXPRESSIBLE:
		return KILN_STOP_INEXPRESSIBLE;
	case KILN_SPECIAL_DAMAGED:
		return KILN_STOP_DAMAGED;
	case KILN_SPECIAL_UNCLEAR:
		return KILN_STOP_UNCLEAR;
	default:
		return KILN_STOP_NO_CFI;
	}
}

/* Copies rule `number` of the page at word `page` to walk.rule. 0 on success. */
static __always_inline int load_rule(struct scratch *scratch, const void *value, __u32 page, __u32 number) {
	__u32 counts = word_at(value, page + 1); /* row_count, rule_count */
	__u32 at = page + (word_at(value, page + 2) & 0xffff) + number * KILN_RULE_WORDS;

	if (number >= counts >> 16)
		return -1;
	for (int i = 0; i < KILN_RULE_WORDS; i++)
		scratch->walk.rule_words[i] = word_at(value, at + i);
	return 0;
}

/* The register `number` of the current frame into *out. 0 if it is known. */
static __always_inline int frame_register(struct scratch *scratch, __u32 number, __u64 *out) {
	if (number >= KILN_REG_WORDS)
		return -1;
	if (number != KILN_REG_SP && number != KILN_REG_FP && number != KILN_REG_IP &&
	    !KILN_REG_IS_CALLER_SAVED(number) && scratch->walk.known != KNOWN_ALL && scratch->walk.known != number)
		return -1;
	*out = scratch->registers[MASKED(number, KILN_REGISTER_SLOTS)];
	return 0;
}

/* The caller's value of a register. Returns 0 or why it is not to be had. `value` holds the callee's. */
static __always_inline int rule_value(struct scratch *scratch, __u32 kind, __u32 number, __s32 offset, __u64 cfa,
				      __u64 *value) {
	__u64 base = cfa;

	if (kind == KILN_VALUE_SAME)
		return 0;
	if (kind == KILN_VALUE_LOST)
		return KILN_STOP_REGISTER_LOST;
	if (kind == KILN_VALUE_REGISTER || kind == KILN_VALUE_DEREF || kind == KILN_VALUE_OF_REGISTER) {
		if (frame_register(scratch, number, &base))
			return KILN_STOP_REGISTER_LOST;
	}
	base += offset;
	if (kind == KILN_VALUE_AT_CFA || kind == KILN_VALUE_DEREF)
		return read_stack(scratch, base, base, value) ? KILN_STOP_READ_FAULT : 0;
	*value = base; /* CFA, REGISTER (whose offset is 0), OF_REGISTER */
	return 0;
}

/* A signal frame: all registers of the interrupted frame from the ucontext at `context`. */
static __always_inline int restore_signal_frame(struct scratch *scratch, __u64 context) {
#if defined(KILN_X86)
	/* arch/x86/include/uapi/asm/sigcontext.h: r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip */
	__u64 saved[17];

	if (read_user(saved, sizeof(saved), context + 40))
		return KILN_STOP_READ_FAULT;
	scratch->regs.r8 = saved[0];
	scratch->regs.r9 = saved[1];
	scratch->regs.r10 = saved[2];
	scratch->regs.r11 = saved[3];
	scratch->regs.r12 = saved[4];
	scratch->regs.r13 = saved[5];
	scratch->regs.r14 = saved[6];
	scratch->regs.r15 = saved[7];
	scratch->regs.di = saved[8];
	scratch->regs.si = saved[9];
	scratch->regs.bp = saved[10];
	scratch->regs.bx = saved[11];
	scratch->regs.dx = saved[12];
	scratch->regs.ax = saved[13];
	scratch->regs.cx = saved[14];
	scratch->regs.sp = saved[15];
	scratch->regs.ip = saved[16];
#elif defined(KILN_ARM64)
	/* arch/arm64/include/uapi/asm/{ucontext,sigcontext}.h: x0 … x30, sp, pc behind fault_address */
	if (read_user(scratch->registers, 33 * 8, context + 176 + 8))
		return KILN_STOP_READ_FAULT;
#endif
	if (REGS_IP(&scratch->regs) == 0)
		return KILN_STOP_ROOT;
	if (!push_native(scratch, REGS_IP(&scratch->regs), 0))
		return KILN_STOP_DEPTH_LIMIT;
	scratch->walk.known = KNOWN_ALL;
	scratch->walk.is_return_address = 0;
	return WALK_GOES_ON;
}

/*
 * Does what walk.rule says. A global function, verified by itself. Its argument is the file's tracked register. Returns
 * WALK_GOES_ON or why the walk ends.
 */
__noinline int apply_rule(__u32 tracked) {
	struct scratch *scratch = get_scratch();
	const struct kiln_rule *rule;
	__u64 cfa, fp, index, ip, sp;
	__u32 known;
	int stop;

	if (!scratch)
		return KILN_STOP_NO_REGISTERS;
	rule = &scratch->walk.rule;
	known = known_after(scratch->walk.known, tracked & 0xff);
	sp = REGS_SP(&scratch->regs);
	fp = REGS_FP(&scratch->regs);
	if (rule->flags & KILN_RULE_DERIVED)
		scratch->walk.derived++;
	if (frame_register(scratch, rule->cfa_register, &cfa))
		return KILN_STOP_REGISTER_LOST;
	cfa += rule->cfa_offset;
	if (rule->cfa_kind == KILN_CFA_INDEXED) {
		if (frame_register(scratch, rule->cfa_index, &index))
			return KILN_STOP_REGISTER_LOST;
		cfa += index * 8;
	}
	if (rule->cfa_kind == KILN_CFA_SIGNAL)
		return restore_signal_frame(scratch, cfa);
	if (rule->cfa_kind == KILN_CFA_DEREF || rule->cfa_kind == KILN_CFA_INDEXED) {
		if (read_stack(scratch, cfa, cfa, &cfa))
			return KILN_STOP_READ_FAULT;
		cfa += rule->cfa_second;
	} else if (rule->cfa_kind == KILN_CFA_PLT) {
		cfa += (REGS_IP(&scratch->regs) & 15) >= (__u64)rule->cfa_second ? 8 : 0;
	}
	stop = rule_value(scratch, rule->fp_kind, rule->fp_register, rule->fp_offset, cfa, &fp);
	if (stop)
		return stop;
#if defined(KILN_X86)
	ip = 0; /* x86-64 has no register that keeps it */
	if (rule->ra_kind == KILN_VALUE_SAME)
		return KILN_STOP_REGISTER_LOST;
#elif defined(KILN_ARM64)
	ip = scratch->regs.regs[KILN_ARM64_LR];
	if (rule->ra_kind == KILN_VALUE_SAME && scratch->walk.known != KNOWN_ALL)
		return KILN_STOP_REGISTER_LOST;
#endif
	stop = rule_value(scratch, rule->ra_kind, rule->ra_register, rule->ra_offset, cfa, &ip);
	if (stop)
		return stop;
	if (rule->other_kind == KILN_VALUE_AT_CFA && (tracked & 0xff) < KILN_REG_WORDS) {
		__u64 value;
		__u64 at = cfa + rule->other_offset;

		if (read_stack(scratch, at, at, &value))
			return KILN_STOP_READ_FAULT;
		scratch->registers[MASKED(tracked, KILN_REGISTER_SLOTS)] = value;
		known = tracked & 0xff;
	} else if (rule->other_kind != KILN_VALUE_SAME) {
		known = KNOWN_NONE;
	}
	/*
	 * Stacks grow downwards: a caller's frame lies above its callee's. Equal is a frame that was left already, with the
	 * return address in a register (vfork); it can't come twice, since only an interrupted frame knows its registers.
	 */
	if (cfa < sp || (cfa == sp && scratch->walk.known != KNOWN_ALL))
		return KILN_STOP_NO_PROGRESS;
	return enter_caller(scratch, ip, cfa, fp, known);
}

#endif
