// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kiln {

// Text from outside (an answer's body, a peer's message) as it may stand in one line of a log or on a terminal: at most
// `limit_bytes` of it, then "…". White space is folded to single blanks and cut off at both ends, other control
// characters and what is not UTF-8 become "?".
std::string Excerpt(std::string_view text, size_t limit_bytes);

}  // namespace kiln
