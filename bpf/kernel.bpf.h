/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types, as far as kiln reads them. Offsets are relocated when the program is loaded (CO-RE), so only names
 * matter here, and the build needs no vmlinux.h of the machine it runs on.
 */
#ifndef KILN_KERNEL_BPF_H
#define KILN_KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/registers.h"

#define KILN_RELOCATED __attribute__((preserve_access_index))

enum {
	KILN_PF_KTHREAD = 0x00200000
}; /* include/linux/sched.h PF_KTHREAD, unchanged since 2.6 */

struct ns_common {
	unsigned int inum;
} KILN_RELOCATED;

struct mnt_namespace {
	struct ns_common ns;
} KILN_RELOCATED;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} KILN_RELOCATED;

struct upid {
	int nr;
} KILN_RELOCATED;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} KILN_RELOCATED;

struct mm_struct {
	unsigned long exec_vm; /* pages of code mappings */
	unsigned long start_stack; /* where the first thread's stack began */
} KILN_RELOCATED;

/* The thread pointer: arch/x86/include/asm/processor.h, arch/arm64/include/asm/processor.h (4.16+) */
#if defined(KILN_X86)
struct thread_struct {
	unsigned long fsbase;
} KILN_RELOCATED;
#define KILN_THREAD_POINTER thread.fsbase
#elif defined(KILN_ARM64)
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
} KILN_RELOCATED;
#define KILN_THREAD_POINTER thread.uw.tp_value
#endif

struct task_struct {
	void *stack;
	struct thread_struct thread;
	struct mm_struct *mm;
	__u64 self_exec_id; /* 64 bits since 5.7; counts the execs of the task and of those it was forked from */
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	__u64 start_boottime; /* 5.5+ */
	char comm[16];
	struct nsproxy *nsproxy;
	unsigned in_execve : 1;
} KILN_RELOCATED;

/*
 * The running task, and a read of its fields. Since 5.11 the verifier knows the type of the pointer and lets the program
 * load fields directly; each load saves the call of a helper. The condition is a constant once the program is loaded.
 */
#define KILN_TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

static __always_inline struct task_struct *current_task(void) {
	if (KILN_TYPED_TASK)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

#define TASK_READ(task, field) (KILN_TYPED_TASK ? (task)->field : BPF_CORE_READ(task, field))

/* include/uapi/linux/bpf_perf_event.h; the system's header picks the build host's pt_regs, which BPF does not have */
struct kiln_perf_event_context {
	struct kiln_regs regs;
	__u64 sample_period;
	__u64 addr;
};

/* struct pt_regs as a BTF name, for bpf_task_pt_regs */
struct pt_regs;

static __always_inline int is_in_exec(struct task_struct *task) {
	return bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

/* Pages of code mappings of a task with memory of its own (include/linux/mm_types.h). */
static __always_inline __u64 code_pages(struct task_struct *task) {
	if (KILN_TYPED_TASK) {
		struct mm_struct *mm = task->mm;

		return mm ? mm->exec_vm : 0;
	}
	return BPF_CORE_READ(task, mm, exec_vm);
}

#endif
