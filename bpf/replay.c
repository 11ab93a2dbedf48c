// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#define KILN_REPLAY
#include "bpf/replay.h"

#include <string.h>

#include "bpf/walk.bpf.h"

static _Thread_local struct scratch state;

static struct scratch *get_scratch(void) {
	return &state;
}

static _Thread_local struct memory memory;

static struct memory *get_memory(void) {
	return &memory;
}

void kiln_replay_walk(const struct kiln_replay *environment, const struct kiln_regs *regs, kiln_ref ranges,
		      __u32 range_count, __u32 flags, struct kiln_replay_stack *stack) {
	replay = environment;
	state.regs = *regs;
	state.walk.words = 0;
	start_walk(&state);
	if (!environment->stamp) {
		state.walk.range_validity = ~0ULL;
		memset(memory.code, 0, sizeof(memory.code));
	}
	enter_code(&state, ranges, range_count, flags, environment->stamp);
	stack->stop = stop_at_start(&state);
	if (stack->stop == WALK_GOES_ON)
		stack->stop = walk_user_stack();
	stack->derived = state.walk.derived;
	stack->word_count = state.walk.words;
	memcpy(stack->words, state.record.words, state.walk.words * sizeof(stack->words[0]));
	replay = NULL;
}
