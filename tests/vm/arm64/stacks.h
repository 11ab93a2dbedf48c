/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct user stacks of one program, counted. */
#pragma once

#include "bpf/wire.h"

enum {
  MAX_STACKS = 4096,
};

struct stack {
  __u64 count;
  __u16 words;
  __u8 stop;   /* enum kiln_stop */
  __u64* word; /* as in the record */
};

struct stacks {
  int used;
  __u64 lost; /* samples for which there was no room */
  struct stack stack[MAX_STACKS];
};

/* Counts the user stack of a sample. */
void stacks_add(struct stacks* stacks, const struct kiln_sample* sample, const __u64* words);

/*
 * Prints a line "stack NAME COUNT STOP ADDRESS…" for each, in hexadecimal, leaf first; a return address has an r before
 * it. Then forgets them all.
 */
void stacks_print_and_clear(struct stacks* stacks, const char* name);
