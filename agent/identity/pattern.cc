// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/pattern.h"

#include <re2/re2.h>

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxExpressionBytes = 1024;
constexpr int64_t kMaxMemoryBytes = 1 << 20;

}  // namespace

StatusOr<std::unique_ptr<RE2>> CompilePattern(const std::string& expression, bool anchored) {
  if (expression.size() > kMaxExpressionBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "of {} bytes is too long: {} are allowed", expression.size(),
                 kMaxExpressionBytes);
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxMemoryBytes);
  options.set_dot_nl(true);  // values are one text, with line breaks or without
  auto pattern = std::make_unique<RE2>(anchored ? "^(?:" + expression + ")$" : expression, options);
  // Compiled on its own as well: "a)(b" is no expression, though the brackets of the anchored form close it.
  if (anchored && pattern->ok() && !RE2(expression, options).ok()) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is not a regular expression: brackets do not match",
                 expression);
  }
  if (!pattern->ok()) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is not a regular expression: {}", expression,
                 pattern->error());
  }
  return pattern;
}

}  // namespace kiln::agent::identity
