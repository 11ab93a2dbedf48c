/* SPDX-License-Identifier: Apache-2.0
 * C: nested inlining, cold parts, cloned and split functions, jump tables, code that one line of a macro makes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/names/inlines.h"

volatile uint64_t sink;

struct node {
  struct node* next;
  uint64_t key;
  char text[24];
};

__attribute__((cold, noinline)) static void complain(const char* what, uint64_t value) {
  fprintf(stderr, "%s: %llu\n", what, (unsigned long long)value);
  if (value == UINT64_C(0xdeadbeef)) abort();
}

static struct node* insert(struct node* head, uint64_t key) {
  struct node* fresh = malloc(sizeof *fresh);
  if (__builtin_expect(fresh == NULL, 0)) {
    complain("out of memory", key);
    return head;
  }
  fresh->key = mix(key, maybe_inlined(key));
  snprintf(fresh->text, sizeof fresh->text, "%llx", (unsigned long long)key);
  fresh->next = head;
  return fresh;
}

static uint64_t total(const struct node* head) {
  uint64_t values[8] = {0};
  size_t count = 0;
  uint64_t result = 0;
  for (; head != NULL; head = head->next) {
    values[count++ & 7] = head->key;
    if ((count & 7) == 0) result ^= mix_many(values, 8);
  }
  return result ^ mix_many(values, count & 7);
}

/* One line, a whole function: 64 of them. */
#define STEP(n)                                                                      \
  __attribute__((noinline)) uint64_t step_##n(uint64_t value) {                      \
    const uint64_t other = maybe_inlined(value + n);                                 \
    return value % (n + 3) == 0 ? mix(value, other) : rotate(value ^ other, n & 63); \
  }
#define STEPS(n) STEP(n##0) STEP(n##1) STEP(n##2) STEP(n##3) STEP(n##4) STEP(n##5) STEP(n##6) STEP(n##7)
STEPS(1)
STEPS(2)
STEPS(3)
STEPS(4)
STEPS(5)
STEPS(6)
STEPS(7)
STEPS(8)

typedef uint64_t (*step_function)(uint64_t);
#define NAMES(n) step_##n##0, step_##n##1, step_##n##2, step_##n##3, step_##n##4, step_##n##5, step_##n##6, step_##n##7
static const step_function steps[] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5), NAMES(6), NAMES(7), NAMES(8)};

/* A jump table, and cases that the compiler may take apart. */
static uint64_t dispatch(unsigned what, uint64_t value) {
  switch (what % 12) {
    case 0: return mix(value, 1);
    case 1: return rotate(value, 7);
    case 2: return maybe_inlined(value);
    case 3: return value * 3;
    case 4:
      if (value == 77) complain("seventy-seven", value);
      return value + 9;
    case 5: return strlen("constant") + value;
    case 6: return mix(mix(value, 2), rotate(value, 3));
    case 7: return value / 5;
    case 8: return ~value;
    case 9: return steps[value % 64](value);
    case 10: return value << 3;
    default: return 0;
  }
}

/* Recursive, and specialised for a constant by some compilers. */
static uint64_t walk(unsigned depth, uint64_t value, int twice) {
  if (depth == 0) return maybe_inlined(value);
  const uint64_t left = walk(depth - 1, mix(value, depth), twice);
  return twice ? mix(left, walk(depth - 1, left, 0)) : left;
}

static int compare(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*)a;
  const uint64_t y = *(const uint64_t*)b;
  return x < y ? -1 : x > y;
}

#line 500 "generated/parser.y"
static uint64_t from_another_file(uint64_t value) {
  if (value % 7 == 0) {
    return mix(value, 7);
  }
  return rotate(value, 9);
}
#line 118 "chains.c"

uint64_t other_source(uint64_t value);
uint64_t assembly_sum(const uint64_t* values, uint64_t count);

int main(int argc, char** argv) {
  struct node* head = NULL;
  uint64_t numbers[64];
  for (int i = 0; i < 64; ++i) {
    numbers[i] = steps[i]((uint64_t)i * (uint64_t)argc);
    head = insert(head, dispatch((unsigned)i, numbers[i]));
  }
  qsort(numbers, 64, sizeof numbers[0], compare);
  sink = total(head) ^ mix_many(numbers, 64) ^ walk(6, numbers[3], argc > 1);
  sink = from_another_file(sink) ^ other_source(sink) ^ assembly_sum(numbers, 64);
  if (argc > 5) complain(argv[0], sink);
  return 0;
}
