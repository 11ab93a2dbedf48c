/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * wire.h: every structure that crosses between the BPF programs and user space, and nothing else. C11 and C++20.
 *
 * Each structure names its writer and its reader. Padding is explicit, sizes and offsets are asserted, so that both
 * compilers agree. Both sides come from one build, KILN_WIRE_VERSION guards against a mixed one all the same.
 *
 * One ring buffer record is
 *
 *     [struct kiln_identity]  struct kiln_sample  u64 kernel[kernel_words]  u64 user[user_words]
 *
 * or, ahead of a sample whose stack the kernel side could not walk for lack of tables,
 *
 *     struct kiln_stack  u8 stack[stack_bytes]
 *
 * The identity of a thread (48 bytes) is sent only when the CPU has not lately sent the same one: sender and reader keep
 * the same small direct-mapped table per CPU, indexed by tid, and a sample without an identity means "the one in its
 * slot". A record that finds the ring full clears its slot on the sending side, so the two tables can't drift apart.
 *
 * Kernel frames are plain addresses. User frames are words, so that frames of interpreters, which are more than an
 * address, fit in later without a new format:
 *
 *     bit 63..60 kind   59..56 flags   55..48 length in words (this one included)   47..0 payload
 *
 * Callers mostly lie near their callees. Return addresses that do come as differences to the frame before, two to a word:
 *
 *     bit 63 set   62 two frames   61..31 difference of the second   30..0 of the first, both signed
 *
 * One stack has one form: a difference that fits is never sent as an address, and never in a word of its own where the
 * word before has room. All frames leaf first.
 */
#ifndef KILN_WIRE_H
#define KILN_WIRE_H

#include <linux/types.h>

#include "bpf/registers.h"

#ifdef __cplusplus
#include <cstddef>
#define KILN_STATIC_ASSERT(condition) static_assert(condition)
#else
#include <stddef.h>
#define KILN_STATIC_ASSERT(condition) _Static_assert(condition, #condition)
#endif

enum {
	KILN_WIRE_VERSION = 2,

	/* perf_event_max_stack is 127 unless an administrator changed it; more kernel frames are cut (KERNEL_DEPTH_LIMIT). */
	KILN_MAX_KERNEL_FRAMES = 127,
	KILN_MAX_USER_FRAMES = 2001, /* the leaf, and what 50 strides of 40 steps reach (walk.bpf.h) */
	/* Kernel and user words of a record; a power of two, since the index is masked. 16 KiB per CPU. */
	KILN_MAX_WORDS = 2048,

	/* Slots of the identity table on each CPU, a power of two. 64 bytes each. */
	KILN_IDENTITY_SLOTS = 256,

	/* Rings: one per CPU up to this number, then CPUs share (cpu % rings). */
	KILN_MAX_RINGS = 64,
	/* Processes that the kernel side can know at a time. Stacks of others are copied and walked in user space. */
	KILN_MAX_PROCESSES = 16384,
	/* Of a user stack that is copied. Encoders have single frames of more than 32 KiB. */
	KILN_MAX_STACK_BYTES = 65535,
	/* What is read of it at once: no more than a page of memory. */
	KILN_STACK_BLOCK = 4096,
	/* Below the stack pointer, where leaf functions may keep what the ABI of x86-64 lets them. */
	KILN_RED_ZONE_BYTES = 128,
	KILN_MAX_CGROUPS = 16,
	KILN_COMM_BYTES = 16,
};

enum kiln_record_type {
	KILN_RECORD_SAMPLE = 1, /* struct kiln_sample follows at once */
	KILN_RECORD_IDENTITY = 2, /* struct kiln_identity, then struct kiln_sample */
	KILN_RECORD_STACK = 3, /* struct kiln_stack */
};

enum kiln_sample_flags {
	/* The filter by name could not decide yet: user space decides and enters the name into the map comm_verdicts. */
	KILN_SAMPLE_UNDECIDED = 1 << 0,
	KILN_SAMPLE_KERNEL_THREAD = 1 << 1,
	/* The CPU was in user mode: there is no kernel stack because there was none. */
	KILN_SAMPLE_USER_MODE = 1 << 2,
	/* A struct kiln_stack of the same CPU and time came before. */
	KILN_SAMPLE_HAS_STACK = 1 << 3,
	/* Some frames were reached by rules derived from instructions. */
	KILN_SAMPLE_DERIVED = 1 << 4,
	/* Inside of execve(2): the memory of the old program, and with it the user stack, may be gone already. */
	KILN_SAMPLE_IN_EXEC = 1 << 5,
};

enum kiln_frame_kind {
	KILN_FRAME_NATIVE =
		1, /* payload: process address; length 2: the address stands in the next word (above 2^48) */
};

#define KILN_FRAME_RETURNS (1ULL << 63)
#define KILN_FRAME_RETURNS_TWO (1ULL << 62)
enum {
	KILN_DIFFERENCE_BITS = 31
};

enum kiln_frame_flags {
	KILN_FRAME_RETURN_ADDRESS = 1 << 0, /* the code lies one byte before: behind a call, or behind a system call */
};

#define KILN_FRAME_PAYLOAD_MASK 0xffffffffffffULL
#define KILN_FRAME_WORD(kind, flags, length, payload)                                                                  \
	(((__u64)(kind) << 60) | ((__u64)(flags) << 56) | ((__u64)(length) << 48) |                                    \
	 ((__u64)(payload)&KILN_FRAME_PAYLOAD_MASK))

#define KILN_STOP(identifier, complete, text) KILN_STOP_##identifier,
enum kiln_stop {
#include "bpf/stop_reasons.def"
	KILN_STOP_COUNT
};
#undef KILN_STOP

#define KILN_COUNTER(identifier, name, kind, description) KILN_COUNTER_##identifier,
enum kiln_counter {
#include "bpf/counters.def"
	KILN_COUNTER_COUNT
};
#undef KILN_COUNTER

/* Writer: bpf/identity.bpf.h. Reader: agent/collect/decode.cc. */
struct kiln_identity {
	__u8 version; /* KILN_WIRE_VERSION */
	__u8 type; /* KILN_RECORD_IDENTITY */
	__u16 reserved;
	__u32 namespaced_pid; /* the process id that the process itself sees (innermost pid namespace) */
	__u64 process_start_ns; /* start of the process, CLOCK_BOOTTIME: with the pid it names a process for good */
	__u32 mount_namespace; /* inode number of /proc/PID/ns/mnt, 0 while the process exits */
	__u32 reserved2;
	char thread_comm[KILN_COMM_BYTES]; /* NUL-padded */
	char process_comm[KILN_COMM_BYTES]; /* of the thread group leader */
};
KILN_STATIC_ASSERT(sizeof(struct kiln_identity) == 56);
KILN_STATIC_ASSERT(offsetof(struct kiln_identity, process_start_ns) == 8);
KILN_STATIC_ASSERT(offsetof(struct kiln_identity, thread_comm) == 24);

/* Writer: bpf/sampler.bpf.c. Reader: agent/collect/decode.cc. */
struct kiln_sample {
	__u8 version; /* KILN_WIRE_VERSION */
	__u8 type; /* KILN_RECORD_SAMPLE */
	__u16 flags; /* enum kiln_sample_flags */
	__u16 kernel_words;
	__u16 user_words;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 pid; /* process (tgid), initial pid namespace */
	__u32 tid;
	__u16 cpu;
	__u8 kernel_stop; /* enum kiln_stop */
	__u8 user_stop; /* enum kiln_stop */
	__u32 snapshot; /* kiln_process.snapshot that the stack was walked by, 0 = none */
};
KILN_STATIC_ASSERT(sizeof(struct kiln_sample) == 32);
KILN_STATIC_ASSERT(offsetof(struct kiln_sample, kernel_words) == 4);
KILN_STATIC_ASSERT(offsetof(struct kiln_sample, time_ns) == 8);
KILN_STATIC_ASSERT(offsetof(struct kiln_sample, pid) == 16);
KILN_STATIC_ASSERT(offsetof(struct kiln_sample, cpu) == 24);

/*
 * The registers and a part of the stack, to be walked in user space. Writer: bpf/defer.bpf.h. Reader:
 * agent/collect/decode.cc.
 */
struct kiln_stack {
	__u8 version; /* KILN_WIRE_VERSION */
	__u8 type; /* KILN_RECORD_STACK */
	__u16 cpu;
	__u32 stack_bytes; /* from KILN_RED_ZONE_BYTES below the stack pointer upwards; 0 if none could be read or too many were copied lately */
	__u64 time_ns; /* of the sample that follows */
	__u64 exec_pages; /* mm_struct.exec_vm at that time */
	__u32 exec_id; /* task_struct.self_exec_id */
	/*
	 * Bit i: the part of the stack in the i-th block of KILN_STACK_BLOCK bytes of addresses, counted from the one that it
	 * begins in, could not be read and is not what follows here. Large frames have pages that were never touched.
	 */
	__u32 holes;
	struct kiln_regs regs;
};
KILN_STATIC_ASSERT(offsetof(struct kiln_stack, regs) == 32);

/*
 * Constants of one recording. Writer: agent/collect/sampler.cc before the programs are loaded (read-only data, so that
 * the verifier drops the branches that are off). Reader: the BPF programs.
 */
struct kiln_config {
	__u8 filter_pids;
	__u8 filter_comm;
	__u8 cgroup_count; /* 0 = no filter by cgroup */
	__u8 kernel_stacks;
	__u32 ring_count;
	__u32 ring_bytes;
	__u32 kernel_frames; /* as many frames of a kernel stack the kernel gives at most; a stack of so many is cut */
	__u32 measures_cost; /* counts KILN_COUNTER_RUN_NS */
};
KILN_STATIC_ASSERT(sizeof(struct kiln_config) == 20);

/* Value of the map comm_verdicts. Writer: agent/collect/sampler.cc. Reader: bpf/filter.bpf.h. */
enum kiln_comm_verdict {
	KILN_COMM_UNKNOWN = 0,
	KILN_COMM_MATCHES = 1,
	KILN_COMM_DIFFERS = 2,
};

#endif
