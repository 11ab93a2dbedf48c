/* SPDX-License-Identifier: GPL-2.0-only */
/* Who was running: sent only when this CPU's slot for the thread holds something else. */
#ifndef KILN_IDENTITY_BPF_H
#define KILN_IDENTITY_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/wire.h"

struct identity_slot {
	__u64 process_start_ns;
	__u64 thread_comm[2];
	__u64 process_comm[2];
	__u64 nsproxy; /* its address: all the namespaces of the thread */
	__u32 tid; /* 0 = empty */
	__u32 reserved;
};

/* What this CPU has sent of threads, by tid. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KILN_IDENTITY_SLOTS);
	__type(key, __u32);
	__type(value, struct identity_slot);
} identities SEC(".maps");

static __always_inline struct identity_slot *find_identity_slot(__u32 tid) {
	__u32 number = tid % KILN_IDENTITY_SLOTS;

	return bpf_map_lookup_elem(&identities, &number);
}

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

static __always_inline void fill_identity(struct kiln_identity *identity, const struct identity_slot *slot,
					  struct task_struct *task, struct task_struct *leader) {
	identity->version = KILN_WIRE_VERSION;
	identity->type = KILN_RECORD_IDENTITY;
	identity->reserved = 0;
	identity->reserved2 = 0;
	identity->namespaced_pid = namespaced_pid(leader);
	identity->process_start_ns = slot->process_start_ns;
	identity->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	((__u64 *)identity->thread_comm)[0] = slot->thread_comm[0];
	((__u64 *)identity->thread_comm)[1] = slot->thread_comm[1];
	((__u64 *)identity->process_comm)[0] = slot->process_comm[0];
	((__u64 *)identity->process_comm)[1] = slot->process_comm[1];
}

static __always_inline void read_comm(__u64 *to, struct task_struct *task) {
	if (KILN_TYPED_TASK) {
		to[0] = *(__u64 *)&task->comm[0];
		to[1] = *(__u64 *)&task->comm[8];
	} else {
		BPF_CORE_READ_INTO((char(*)[KILN_COMM_BYTES])to, task, comm);
	}
}

/*
 * 1 if the slot already holds the thread as it is; otherwise it does now, and the identity must be sent. The pid in its
 * namespace is the process's for good; the mount namespace can't change without the nsproxy.
 */
static __always_inline int identity_is_known(struct identity_slot *slot, struct task_struct *task,
					     struct task_struct *leader, __u32 tid) {
	__u64 start_ns = TASK_READ(leader, start_boottime);
	__u64 nsproxy = (__u64)TASK_READ(task, nsproxy);
	__u64 thread_comm[2], process_comm[2];

	read_comm(thread_comm, task);
	read_comm(process_comm, leader);
	if (slot->tid == tid && slot->process_start_ns == start_ns && slot->nsproxy == nsproxy &&
	    slot->thread_comm[0] == thread_comm[0] && slot->thread_comm[1] == thread_comm[1] &&
	    slot->process_comm[0] == process_comm[0] && slot->process_comm[1] == process_comm[1])
		return 1;
	slot->tid = tid;
	slot->process_start_ns = start_ns;
	slot->nsproxy = nsproxy;
	slot->thread_comm[0] = thread_comm[0];
	slot->thread_comm[1] = thread_comm[1];
	slot->process_comm[0] = process_comm[0];
	slot->process_comm[1] = process_comm[1];
	return 0;
}

#endif
