/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What differs between the architectures: which mode the registers belong to, and the registers by their roles. */
#ifndef KILN_ARCH_BPF_H
#define KILN_ARCH_BPF_H

#include "bpf/environment.bpf.h"

#if defined(KILN_X86)

enum {
	KILN_CS_USER_64 = 0x33,
	KILN_KERNEL_STACK_BYTES = 16384
}; /* arch/x86/include/asm/{segment,page_64_types}.h */

static __always_inline int regs_are_user(const struct kiln_regs *regs) {
	return (regs->cs & 3) == 3;
}
static __always_inline int regs_are_32bit(const struct kiln_regs *regs) {
	return regs->cs != KILN_CS_USER_64;
}
#define REGS_IP(r) ((r)->ip)
#define REGS_SP(r) ((r)->sp)
#define REGS_FP(r) ((r)->bp)
#define REGS_MODE_FIELD cs

/*
 * Whether the thread is inside of a system call: SYSCALL leaves the address behind itself in RCX, and every other way into
 * the kernel makes orig_ax negative (arch/x86/entry/entry_64.S). A new program or a signal handler that is about to begin
 * has other addresses in the two.
 */
static __always_inline int regs_are_in_syscall(const struct kiln_regs *regs) {
	return (__s64)regs->orig_ax >= 0 && regs->cx == regs->ip;
}

enum {
	KILN_NR_CLONE = 56,
	KILN_NR_CLONE3 = 435,
	KILN_CLONE_ARGS_STACK = 40, /* offset of clone_args.stack, include/uapi/linux/sched.h */
};

/*
 * Whether the thread was made just now, with a stack of its own, and has not left its system call yet: nothing has called
 * it. It has its maker's registers, but for RAX (copy_thread, arch/x86/kernel/process.c); C libraries have no CFI for this
 * place. clone3's arguments may have been overwritten by its maker meanwhile: then it passes for one without a new stack.
 */
static __always_inline int regs_are_of_new_thread(const struct kiln_regs *regs) {
	__u64 stack = 0;

	if (regs->ax != 0 || !regs_are_in_syscall(regs))
		return 0;
	if (regs->orig_ax == KILN_NR_CLONE)
		return regs->si != 0;
	if (regs->orig_ax != KILN_NR_CLONE3 || read_user(&stack, sizeof(stack), regs->di + KILN_CLONE_ARGS_STACK))
		return 0;
	return stack != 0;
}

/* A saved return address as an address. */
static __always_inline __u64 code_pointer(__u64 saved) {
	return saved;
}

#elif defined(KILN_ARM64)

enum {
	KILN_KERNEL_STACK_BYTES = 16384,
	KILN_PSTATE_MODE_MASK = 0xf, /* PSR_MODE_MASK: EL0t is 0 */
	KILN_PSTATE_MODE32 = 0x10, /* PSR_MODE32_BIT */
};

static __always_inline int regs_are_user(const struct kiln_regs *regs) {
	return (regs->pstate & KILN_PSTATE_MODE_MASK) == 0;
}
static __always_inline int regs_are_32bit(const struct kiln_regs *regs) {
	return (regs->pstate & KILN_PSTATE_MODE32) != 0;
}
#define REGS_IP(r) ((r)->pc)
#define REGS_SP(r) ((r)->sp)
#define REGS_FP(r) ((r)->regs[KILN_ARM64_FP])
#define REGS_MODE_FIELD pstate

/* Not to be told from these registers (struct pt_regs has syscallno, struct user_pt_regs does not). */
static __always_inline int regs_are_in_syscall(const struct kiln_regs *regs) {
	(void)regs;
	return 0;
}
static __always_inline int regs_are_of_new_thread(const struct kiln_regs *regs) {
	(void)regs;
	return 0;
}

/* Without the pointer authentication code, which fills the bits above user space's 48 (52 are given out on request only). */
static __always_inline __u64 code_pointer(__u64 saved) {
	return saved & 0x0000ffffffffffffULL;
}

#endif

#endif
