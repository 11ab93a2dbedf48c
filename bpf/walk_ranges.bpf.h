/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From an address to what is known about the code there. */
#ifndef KILN_WALK_RANGES_BPF_H
#define KILN_WALK_RANGES_BPF_H

#include "bpf/memory.bpf.h"
#include "bpf/scratch.bpf.h"

enum {
	RANGE_LONGS = sizeof(struct kiln_code_range) / 8,
	RANGE_STEPS = 11, /* 2^11 > KILN_MAX_RANGES */
};

/*
 * The number of the last of `count` ranges that starts at or below `address`, or 0. Without branches: the verifier would
 * follow both sides of each, and 5.10 gives up. All addresses are below 2^63, so the sign of a difference tells.
 */
static __always_inline __u64 bisect_ranges(const void *value, __u64 first, __u64 count, __u64 address) {
	__u64 low = 0;

	for (__u32 step = 1 << (RANGE_STEPS - 1); step; step >>= 1) {
		__u64 middle = low + step;
		__u64 start = long_at(value, first + middle * RANGE_LONGS);
		__u64 outside = (__u64)((__s64)(count - 1 - middle) >> 63) | (__u64)((__s64)(address - start) >> 63);

		OPAQUE(outside);
		low += step & ~outside;
	}
	return low;
}

/* Copies the range that holds `address` out of `count` ranges at `ref`. 0 on success. */
static __always_inline int load_range(kiln_ref ref, __u32 count, __u64 address, struct kiln_code_range *range) {
	const void *value;
	__u64 first, at;

	if (!count || count > KILN_MAX_RANGES)
		return -1;
	value = table_value(ref_value(ref));
	if (!value)
		return -1;
	first = ref_word(ref) / 2;
	at = first + bisect_ranges(value, first, count, address) * RANGE_LONGS;
	range->start = long_at(value, at);
	range->end = long_at(value, at + 1);
	range->base = long_at(value, at + 2);
	range->ref = word_at(value, at * 2 + 6);
	range->walker = half_at(value, at * 4 + 14);
	range->count = half_at(value, at * 4 + 15);
	return address >= range->start && address < range->end ? 0 : -1;
}

/* The slot of walk.range that holds `address`, loaded if need be; -1 if no known code does. */
static __always_inline int find_range(struct scratch *scratch, __u64 address) {
	struct kiln_code_range found;
	__u32 slot;

	if (address >= scratch->walk.range[0].start && address < scratch->walk.range[0].end)
		return 0;
	if (address >= scratch->walk.range[1].start && address < scratch->walk.range[1].end)
		return 1;
	if ((__s64)address < 0 || load_range(scratch->walk.ranges, scratch->walk.range_count, address, &found))
		return -1;
	if (found.walker == KILN_WALKER_INDEX && load_range(found.ref, found.count, address, &found))
		return -1;
	slot = scratch->walk.next_slot & 1;
	scratch->walk.next_slot = slot ^ 1;
	scratch->walk.range[slot] = found;
	return slot;
}

enum {
	DIRECTORY_TRACKED_WORD = offsetof(struct kiln_directory, tracked) / 4,
	DIRECTORY_PAGES_WORD = offsetof(struct kiln_directory, pages) / 4,
};

/* Looks up the page of the table that has `address`, and narrows `code` to it. Returns 0 or an enum kiln_stop. */
static __always_inline int find_page(const struct kiln_code_range *range, __u64 address, struct code_entry *code) {
	__u64 number = (address - range->base) >> KILN_PAGE_SHIFT;
	const void *directory = table_value(ref_value(range->ref));
	__u32 at = ref_word(range->ref);
	__u64 base = range->base + (number << KILN_PAGE_SHIFT);
	kiln_ref page;
	void *value;

	if (!range->ref || !directory)
		return KILN_STOP_TABLE_MISSING;
	if (number >= word_at(directory, at))
		return KILN_STOP_NO_CFI;
	page = word_at(directory, at + DIRECTORY_PAGES_WORD + number);
	if (page == KILN_PAGE_MISSING)
		return KILN_STOP_TABLE_MISSING;
	if (page == KILN_PAGE_FAILED)
		return KILN_STOP_NO_CFI;
	if (page == KILN_PAGE_NO_ROOM)
		return KILN_STOP_MEMORY_FULL;
	value = table_value(ref_value(page));
	if (!value)
		return KILN_STOP_TABLE_MISSING;
	note_page_use(value, ref_word(page));
	code->page = page;
	code->row_count = word_at(value, ref_word(page) + 1) & 0xffff;
	code->tracked = word_at(directory, at + DIRECTORY_TRACKED_WORD) & 0xff;
	code->base = base;
	if (code->start < base)
		code->start = base;
	if (code->end - base > 1 << KILN_PAGE_SHIFT)
		code->end = base + (1 << KILN_PAGE_SHIFT);
	return 0;
}

/*
 * Finds out what is known of the code at `address` and enters it into its place in memory.code. A global function: the
 * walk comes here only when that place holds something else. Returns 0 or an enum kiln_stop.
 */
__noinline int find_code(__u64 address) {
	struct scratch *scratch = get_scratch();
	struct memory *memory = get_memory();
	const struct kiln_code_range *range;
	struct code_entry *code;
	int slot, stop;

	if (!scratch || !memory)
		return KILN_STOP_NO_REGISTERS;
	slot = find_range(scratch, address);
	if (slot < 0)
		return scratch->walk.process_flags & KILN_PROCESS_ALL_KNOWN ? KILN_STOP_NOT_CODE
									    : KILN_STOP_RANGE_UNKNOWN;
	range = &scratch->walk.range[slot & 1];
	if (range->walker == KILN_WALKER_NONE)
		return range->ref > KILN_STOP_ROOT && range->ref < KILN_STOP_COUNT ? range->ref : KILN_STOP_NO_CFI;
	code = code_for(memory, address);
	code->start = range->start;
	code->end = range->end;
	code->walker = range->walker;
	code->stamp = scratch->walk.stamp;
	code->validity = scratch->walk.validity;
	if (range->walker == KILN_WALKER_TABLE) {
		stop = find_page(range, address, code);
		if (stop) {
			code->end = 0;
			return stop;
		}
	}
	return 0;
}

#endif
