/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Reads of the user stack. A read of user memory costs about 50 ns whether it is 16 bytes or 1 KiB, so the walk copies a
 * window of the stack at a time and takes words from it. More per window costs more than it saves when the stack is not
 * in the caches.
 */
#ifndef KILN_STACK_WINDOW_BPF_H
#define KILN_STACK_WINDOW_BPF_H

#include "bpf/scratch.bpf.h"

enum {
	USER_PAGE_BYTES = 4096,
	FAR_WINDOW_BYTES = 512,
};

/* How far into a window of so many bytes a word may begin. */
#define WINDOW_LIMIT(bytes) ((bytes)-7)

static __always_inline int in_window(const struct scratch *scratch, __u64 address) {
	return address - scratch->walk.window_start < scratch->walk.window_bytes;
}

/*
 * Moves the window to `address` (aligned to 8). Behind a gap, mostly the locals of a large frame, little of what follows
 * will be of use, and it is not in the caches: a short window does. A read that fails costs as much as 20 good ones, so
 * after the first failure, which mostly means that the stack ends soon, windows end with the page.
 */
static __always_inline void move_window(struct scratch *scratch, __u64 address) {
	__u64 gap = address - scratch->walk.window_start - scratch->walk.window_bytes;
	__u64 bytes = gap < FAR_WINDOW_BYTES || !scratch->walk.window_bytes ? KILN_WINDOW_WORDS * 8 : FAR_WINDOW_BYTES;

	scratch->walk.window_start = address;
	scratch->walk.window_bytes = 0;
	if (!scratch->walk.near_stack_end) {
		bytes = MASKED(bytes - 1, KILN_WINDOW_WORDS * 8);
		if (!read_user(scratch->window, bytes + 1, address)) {
			scratch->walk.window_bytes = WINDOW_LIMIT(bytes + 1);
			return;
		}
		scratch->walk.near_stack_end = 1;
		bytes++;
	}
	if (bytes > USER_PAGE_BYTES - (address & (USER_PAGE_BYTES - 1)))
		bytes = USER_PAGE_BYTES - (address & (USER_PAGE_BYTES - 1));
	bytes = MASKED(bytes - 1, KILN_WINDOW_WORDS * 8);
	if (!read_user(scratch->window, bytes + 1, address))
		scratch->walk.window_bytes = WINDOW_LIMIT(bytes + 1);
}

/*
 * The word at `address` into *word; where it is not in the window, the window moves to `low` first, which is the lowest
 * address that the same step reads. 0 on success.
 */
static __always_inline int read_stack(struct scratch *scratch, __u64 address, __u64 low, __u64 *word) {
	if (!in_window(scratch, address)) {
		/* Unaligned stacks are no error, only slow. */
		if ((low & 7) || address - low >= WINDOW_LIMIT(KILN_WINDOW_WORDS * 8))
			return read_user(word, sizeof(*word), address);
		move_window(scratch, low);
		if (!in_window(scratch, address))
			return read_user(word, sizeof(*word), address);
	}
	if ((address - scratch->walk.window_start) & 7)
		return read_user(word, sizeof(*word), address);
	*word = scratch->window[MASKED((address - scratch->walk.window_start) / 8, KILN_WINDOW_WORDS)];
	return 0;
}

/*
 * The words at `low` and at `high` (>= low) to walk.fetched[0] and [1]. A global function: what plain rows do when the
 * window does not have both. 0 on success.
 */
__noinline int fetch_words(__u64 low, __u64 high) {
	struct scratch *scratch = get_scratch();

	if (!scratch)
		return -1;
	if (read_stack(scratch, low, low, &scratch->walk.fetched[0]))
		return -1;
	return read_stack(scratch, high, low, &scratch->walk.fetched[1]);
}

/* The same, by way of the window if it has both. They are 8 bytes aligned unless the stack is not. */
static __always_inline int read_pair(struct scratch *scratch, __u64 low, __u64 high, __u64 *at_low, __u64 *at_high) {
	__u64 offset = low - scratch->walk.window_start;
	__u64 high_offset = high - scratch->walk.window_start;

	if (offset < scratch->walk.window_bytes && high_offset < scratch->walk.window_bytes && !(offset & 7)) {
		*at_low = scratch->window[MASKED(offset >> 3, KILN_WINDOW_WORDS)];
		*at_high = scratch->window[MASKED(high_offset >> 3, KILN_WINDOW_WORDS)];
		return 0;
	}
	if (fetch_words(low, high))
		return -1;
	*at_low = scratch->walk.fetched[0];
	*at_high = scratch->walk.fetched[1];
	return 0;
}

#endif
