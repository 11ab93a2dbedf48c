/* SPDX-License-Identifier: GPL-2.0-only */
/* The user registers of the current task, also when the sample interrupted the kernel on its behalf. */
#ifndef KILN_USER_REGS_BPF_H
#define KILN_USER_REGS_BPF_H

#include "bpf/arch.bpf.h"
#include "bpf/kernel.bpf.h"

/*
 * Fills *regs from the place at the top of the kernel stack where the entry code saved them. 0 on success.
 * 5.15+ has a helper that knows the place; before that it is fixed, and a wrong guess (KASAN kernels have larger stacks)
 * shows in the saved mode, which is checked.
 */
static __always_inline int saved_user_regs(struct task_struct *task, struct kiln_regs *regs) {
	const void *saved;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		saved = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		saved = BPF_CORE_READ(task, stack) + KILN_KERNEL_STACK_BYTES - sizeof(*regs);
	if (bpf_probe_read_kernel(regs, sizeof(*regs), saved))
		return -1;
	return regs_are_user(regs) ? 0 : -1;
}

/* The user registers from wherever they are: the context if the CPU was in user mode. 0 on success. */
static __always_inline int take_user_regs(struct kiln_perf_event_context *context, struct task_struct *task,
					  int user_mode, struct kiln_regs *regs) {
	if (!user_mode)
		return saved_user_regs(task, regs);
		/* Word by word: the context may only be read in its own words. */
#pragma unroll
	for (int i = 0; i < KILN_REG_WORDS; i++)
		((__u64 *)regs)[i] = ((__u64 *)&context->regs)[i];
	return 0;
}

#endif
