/* SPDX-License-Identifier: Apache-2.0
 * A second unit with the same inlined functions; partly reached, so that --gc-sections takes the rest. */
#include "tests/programs/names/inlines.h"

uint64_t never_called(uint64_t value) { return mix(value, maybe_inlined(value)); }

static uint64_t local(uint64_t value) {
  uint64_t values[4] = {value, value + 1, rotate(value, 5), 4};
  return mix_many(values, 4);
}

uint64_t also_never_called(const uint64_t* values) { return mix_many(values, 3) + local(values[0]); }

uint64_t same_code_1(uint64_t value) { return mix(value, 12345); }
uint64_t same_code_2(uint64_t value) { return mix(value, 12345); }

uint64_t other_source(uint64_t value) {
  return local(value) ^ maybe_inlined(value) ^ same_code_1(value) ^ same_code_2(value + 1);
}
