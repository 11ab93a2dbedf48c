/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The registers of a user thread as the kernel saves them, and their numbers as unwind rules use them: the index of the
 * 64-bit word in struct kiln_regs. C11 and C++20.
 *
 * arch/x86/include/uapi/asm/ptrace.h struct pt_regs, arch/arm64/include/uapi/asm/ptrace.h struct user_pt_regs.
 */
#ifndef KILN_REGISTERS_H
#define KILN_REGISTERS_H

#include <linux/types.h>

struct kiln_regs_x86 {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct kiln_regs_arm64 {
	__u64 regs[31], sp, pc, pstate;
};

/* Word numbers. */
enum kiln_x86_register {
	KILN_X86_R15 = 0,
	KILN_X86_R14 = 1,
	KILN_X86_R13 = 2,
	KILN_X86_R12 = 3,
	KILN_X86_BP = 4,
	KILN_X86_BX = 5,
	KILN_X86_R11 = 6,
	KILN_X86_R10 = 7,
	KILN_X86_R9 = 8,
	KILN_X86_R8 = 9,
	KILN_X86_AX = 10,
	KILN_X86_CX = 11,
	KILN_X86_DX = 12,
	KILN_X86_SI = 13,
	KILN_X86_DI = 14,
	KILN_X86_IP = 16,
	KILN_X86_SP = 19,
	KILN_X86_WORDS = 21,
};
enum kiln_arm64_register {
	/* X0 … X30 are 0 … 30 */
	KILN_ARM64_FP = 29,
	KILN_ARM64_LR = 30,
	KILN_ARM64_SP = 31,
	KILN_ARM64_PC = 32,
	KILN_ARM64_WORDS = 34,
};

/*
 * Registers that a function may change without saving them (System V ABI for AMD64, figure 3.4; AAPCS64, section 6.1.1):
 * RAX, RCX, RDX, RSI, RDI, R8 ... R11; X0 ... X18.
 */
#define KILN_X86_IS_CALLER_SAVED(number) ((number) >= KILN_X86_R11 && (number) <= KILN_X86_DI)
#define KILN_ARM64_IS_CALLER_SAVED(number) ((number) <= 18)

/* The machine that the code is compiled for: of the BPF program, or of the agent itself. */
#if defined(__TARGET_ARCH_x86) || (!defined(__bpf__) && defined(__x86_64__))
#define KILN_X86 1
#define kiln_regs kiln_regs_x86
#define KILN_REG_IS_CALLER_SAVED KILN_X86_IS_CALLER_SAVED
enum {
	KILN_REG_FP = KILN_X86_BP,
	KILN_REG_SP = KILN_X86_SP,
	KILN_REG_IP = KILN_X86_IP,
	KILN_REG_WORDS = KILN_X86_WORDS,
};
#elif defined(__TARGET_ARCH_arm64) || (!defined(__bpf__) && defined(__aarch64__))
#define KILN_ARM64 1
#define kiln_regs kiln_regs_arm64
#define KILN_REG_IS_CALLER_SAVED KILN_ARM64_IS_CALLER_SAVED
enum {
	KILN_REG_FP = KILN_ARM64_FP,
	KILN_REG_SP = KILN_ARM64_SP,
	KILN_REG_IP = KILN_ARM64_PC,
	KILN_REG_WORDS = KILN_ARM64_WORDS,
};
#else
#error "kiln samples x86-64 and arm64"
#endif

#endif
