/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/arm64/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stacks_add(struct stacks* stacks, const struct kiln_sample* sample, const __u64* words) {
  const __u64* user = words + sample->kernel_words;
  size_t bytes = sample->user_words * sizeof(*user);
  struct stack* stack = stacks->stack;

  for (int i = 0; i < stacks->used; i++, stack++) {
    if (stack->words == sample->user_words && stack->stop == sample->user_stop && !memcmp(stack->word, user, bytes)) {
      stack->count++;
      return;
    }
  }
  if (stacks->used == MAX_STACKS || !(stack->word = malloc(bytes + 1))) {
    stacks->lost++;
    return;
  }
  memcpy(stack->word, user, bytes);
  stack->words = sample->user_words;
  stack->stop = sample->user_stop;
  stack->count = 1;
  stacks->used++;
}

static void print_return(__u64* address, __u64 bits) {
  *address += (__u64)((__s64)(bits << (64 - KILN_DIFFERENCE_BITS)) >> (64 - KILN_DIFFERENCE_BITS));
  printf(" r%llx", (unsigned long long)*address);
}

static void print_frames(const struct stack* stack) {
  __u64 address = 0;

  for (int at = 0; at < stack->words;) {
    __u64 word = stack->word[at];
    int length = word >> 48 & 0xff;

    if (word & KILN_FRAME_RETURNS) {
      print_return(&address, word);
      if (word & KILN_FRAME_RETURNS_TWO) print_return(&address, word >> KILN_DIFFERENCE_BITS);
      at++;
      continue;
    }
    address = length == 2 && at + 1 < stack->words ? stack->word[at + 1] : word & KILN_FRAME_PAYLOAD_MASK;
    printf(" %s%llx", word >> 56 & KILN_FRAME_RETURN_ADDRESS ? "r" : "", (unsigned long long)address);
    at += length ? length : 1;
  }
}

void stacks_print_and_clear(struct stacks* stacks, const char* name) {
#define KILN_STOP(identifier, complete, text) [KILN_STOP_##identifier] = #identifier,
  static const char* const stops[] = {
#include "bpf/stop_reasons.def"
  };
#undef KILN_STOP

  for (int i = 0; i < stacks->used; i++) {
    struct stack* stack = &stacks->stack[i];

    printf("stack %s %llu %s", name, (unsigned long long)stack->count, stops[stack->stop]);
    print_frames(stack);
    printf("\n");
    free(stack->word);
  }
  if (stacks->lost) printf("lost %s %llu\n", name, (unsigned long long)stacks->lost);
  stacks->used = 0;
  stacks->lost = 0;
}
