/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A step by unwind table: finds the row for the address and does what it says (unwind_table.h). */
#ifndef KILN_WALK_TABLE_BPF_H
#define KILN_WALK_TABLE_BPF_H

#include "bpf/memory.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/walk_frame.bpf.h"
#include "bpf/walk_rule.bpf.h"

enum {
	PAGE_FIRST_ROW_HALVES = offsetof(struct kiln_page, first_row) / 2,
	PAGE_ROWS_WORD = offsetof(struct kiln_page, rows) / 4,
};

/*
 * The last of the rows low … low + count - 1 (count <= 255) that begins at or before `offset` in its block; low - 1 if
 * none does. Without branches, see bisect_ranges. Blocks have 5 rows on average: three steps do for most.
 */
static __always_inline __u64 bisect_rows(const void *value, __u64 rows, __u64 low, __u64 count, __u32 offset,
					 __u32 steps) {
	__u64 found = 0; /* how many of them begin at or before */

	for (__u32 step = 1 << (steps - 1); step; step >>= 1) {
		__u64 middle = found + step;
		__u64 row = word_at(value, rows + low + middle - 1);
		__u64 outside = (__u64)((__s64)(count - middle) >> 63) |
				(__u64)((__s64)((__u64)offset - KILN_ROW_OFFSET(row)) >> 63);

		OPAQUE(outside);
		found += step & ~outside;
	}
	return low - 1 + found;
}

/* The row in force at byte `offset` of the page at `page` (words from the start of the value), which has `row_count`. */
static __always_inline __u32 find_row(const void *value, __u64 page, __u32 offset, __u32 row_count) {
	__u64 block = page * 2 + PAGE_FIRST_ROW_HALVES + (offset >> KILN_BLOCK_SHIFT);
	__u64 low = half_at(value, block);
	__u64 count = (__u64)half_at(value, block + 1) - low;
	__u64 rows = page + PAGE_ROWS_WORD;
	__u64 row, guess;

	/* Rows are spread evenly enough: this brings them nearer while the index is on its way. */
	guess = word_at(value, rows + ((__u64)offset * row_count >> KILN_PAGE_SHIFT));
	OPAQUE(guess);
	if (count < 8)
		row = bisect_rows(value, rows, low, count, offset & 0xff, 3);
	else
		row = bisect_rows(value, rows, low, count, offset & 0xff, 9);
	return word_at(value, rows + row);
}

static __always_inline __u64 memo_key(__u64 address) {
	return address | (__u64)unwind_epoch << 48;
}

/* One step from a frame whose code is at `address`. Returns WALK_GOES_ON or why the walk ends. */
static __always_inline int step_table(struct scratch *scratch, const struct code_entry *code, __u64 address) {
	const void *value = table_value(ref_value(code->page));
	__u32 page = ref_word(code->page);
	__u32 row;

	if (!value)
		return KILN_STOP_TABLE_MISSING;
	row = find_row(value, page, (address - code->base) & ((1 << KILN_PAGE_SHIFT) - 1), code->row_count);
	if (KILN_ROW_KIND(row) != KILN_ROW_RULE) {
		if (scratch->walk.stamp && code->tracked == KILN_NO_REGISTER && address >> 48 == 0) {
			struct memory *memory = get_memory();
			struct row_memo *memo;

			if (!memory)
				return KILN_STOP_NO_REGISTERS;
			memo = row_for(memory, address);
			memo->key = memo_key(address);
			memo->stamp = scratch->walk.stamp;
			memo->row = row;
		}
		return leave_plain_frame(scratch, row, code->tracked);
	}
	if (KILN_ROW_NUMBER(row) < KILN_FIRST_RULE)
		return special_stop(KILN_ROW_NUMBER(row));
	if (load_rule(scratch, value, page, KILN_ROW_NUMBER(row) - KILN_FIRST_RULE))
		return KILN_STOP_DAMAGED;
	return apply_rule(code->tracked);
}

#endif
