// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/row.h"

#include <cstring>

namespace kiln::symbolizer {

bool operator==(const kiln_rule& a, const kiln_rule& b) { return std::memcmp(&a, &b, sizeof(kiln_rule)) == 0; }

kiln_rule SpecialRule(kiln_special special) {
  return {.cfa_kind = KILN_CFA_SPECIAL, .cfa_offset = static_cast<int32_t>(special)};
}

}  // namespace kiln::symbolizer
