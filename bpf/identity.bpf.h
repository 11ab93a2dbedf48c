/* SPDX-License-Identifier: GPL-2.0-only */
/* Who was running: filled in for every sample, sent only when this CPU's slot for the thread holds something else. */
#ifndef KILN_IDENTITY_BPF_H
#define KILN_IDENTITY_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/wire.h"

struct identity_slot {
	__u64 process_start_ns;
	__u64 thread_comm[2];
	__u64 process_comm[2];
	__u32 tid; /* 0 = empty */
	__u32 namespaced_pid;
	__u32 mount_namespace;
	__u32 reserved;
};

/* What this CPU has sent of threads, by tid. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KILN_IDENTITY_SLOTS);
	__type(key, __u32);
	__type(value, struct identity_slot);
} identities SEC(".maps");

/* The process id in the innermost pid namespace of `leader`, 0 if it has none any more. */
static __always_inline __u32 namespaced_pid(struct task_struct *leader) {
	struct pid *pid = TASK_READ(leader, thread_pid);
	struct upid *innermost;
	unsigned int level;

	if (!pid)
		return 0;
	/* numbers[] grew from one element to a flexible array: step over elements by their size on this kernel. */
	level = TASK_READ(pid, level);
	innermost = (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	return BPF_CORE_READ(innermost, nr);
}

static __always_inline void read_comm(char *to, struct task_struct *task) {
	((__u64 *)to)[0] = *(__u64 *)&task->comm[0];
	((__u64 *)to)[1] = *(__u64 *)&task->comm[8];
}

static __always_inline void fill_identity(struct kiln_identity *identity, struct task_struct *task,
					  struct task_struct *leader) {
	identity->version = KILN_WIRE_VERSION;
	identity->type = KILN_RECORD_IDENTITY;
	identity->reserved = 0;
	identity->reserved2 = 0;
	identity->namespaced_pid = namespaced_pid(leader);
	identity->process_start_ns = TASK_READ(leader, start_boottime);
	if (KILN_TYPED_TASK) {
		identity->mount_namespace = task->nsproxy->mnt_ns->ns.inum;
		read_comm(identity->thread_comm, task);
		read_comm(identity->process_comm, leader);
	} else {
		identity->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
		BPF_CORE_READ_INTO(&identity->thread_comm, task, comm);
		BPF_CORE_READ_INTO(&identity->process_comm, leader, comm);
	}
}

/* 1 if the slot already holds this identity; otherwise it does now, and the identity must be sent. */
static __always_inline int identity_is_known(struct identity_slot *slot, const struct kiln_identity *identity,
					     __u32 tid) {
	const __u64 *thread_comm = (const __u64 *)identity->thread_comm;
	const __u64 *process_comm = (const __u64 *)identity->process_comm;

	if (slot->tid == tid && slot->process_start_ns == identity->process_start_ns &&
	    slot->thread_comm[0] == thread_comm[0] && slot->thread_comm[1] == thread_comm[1] &&
	    slot->process_comm[0] == process_comm[0] && slot->process_comm[1] == process_comm[1] &&
	    slot->namespaced_pid == identity->namespaced_pid && slot->mount_namespace == identity->mount_namespace)
		return 1;
	slot->tid = tid;
	slot->process_start_ns = identity->process_start_ns;
	slot->thread_comm[0] = thread_comm[0];
	slot->thread_comm[1] = thread_comm[1];
	slot->process_comm[0] = process_comm[0];
	slot->process_comm[1] = process_comm[1];
	slot->namespaced_pid = identity->namespaced_pid;
	slot->mount_namespace = identity->mount_namespace;
	return 0;
}

#endif
