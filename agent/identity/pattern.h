// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace kiln::agent::identity {

// A regular expression of the user's, in RE2's syntax, within bounds of length and memory. `anchored`: it must match a
// whole text, as in Prometheus; groups keep their numbers. kInvalidArgument quotes the expression and says what is
// wrong with it.
StatusOr<std::unique_ptr<re2::RE2>> CompilePattern(const std::string& expression, bool anchored = false);

}  // namespace kiln::agent::identity
