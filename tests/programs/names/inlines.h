/* SPDX-License-Identifier: Apache-2.0
 * Functions that compilers inline, in a header that several sources include. */
#pragma once
#include <stddef.h>
#include <stdint.h>

extern volatile uint64_t sink;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint64_t rotate(uint64_t value, unsigned by) {
  by &= 63;
  return by == 0 ? value : (value << by) | (value >> (64 - by));
}

ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b) {
  a ^= rotate(b, 13);
  a *= UINT64_C(0x9e3779b97f4a7c15);
  return a ^ (a >> 29);
}

ALWAYS_INLINE uint64_t mix_many(const uint64_t* values, size_t count) {
  uint64_t result = count;
  for (size_t i = 0; i < count; ++i) {
    if (values[i] & 1)
      result = mix(result, values[i]);
    else
      result = mix(values[i], rotate(result, (unsigned)i));
  }
  return result;
}

/* Inlined or not, as the compiler likes. */
static inline uint64_t maybe_inlined(uint64_t value) {
  uint64_t steps = 0;
  while (value > 1) {
    value = value % 2 ? mix(value, steps) >> 3 : value / 2;
    if (++steps > 100) break;
  }
  return steps;
}
