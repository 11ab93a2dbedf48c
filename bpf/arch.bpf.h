/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the architectures: which mode the registers belong to, and the three that a walk starts with. */
#ifndef KILN_ARCH_BPF_H
#define KILN_ARCH_BPF_H

#include "bpf/kernel.bpf.h"

#if defined(__TARGET_ARCH_x86)

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
#define REGS_IP(saved) ((saved)->ip)
#define REGS_SP(saved) ((saved)->sp)
#define REGS_FP(saved) ((saved)->bp)
#define REGS_MODE_FIELD cs

#elif defined(__TARGET_ARCH_arm64)

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
#define REGS_IP(saved) ((saved)->pc)
#define REGS_SP(saved) ((saved)->sp)
#define REGS_FP(saved) ((saved)->regs[29])
#define REGS_MODE_FIELD pstate

#endif

#endif
