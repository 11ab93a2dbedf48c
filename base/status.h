// SPDX-License-Identifier: Apache-2.0
// Errors are absl::Status: the message says what was tried, on what, and why it failed, in one sentence for a user.
// Context is added once per layer and the message is shown once, at the edge (agent/cli). A missing symbol or a cut
// stack is not an error but data, see symbolizer/symbol.h and bpf/wire.h.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

using absl::Status;
using absl::StatusOr;

// The code for an errno of a system call; unknown values become kInternal.
absl::StatusCode CodeFromErrno(int error_number);

// A status of `code` with a formatted message.
template <typename... Args>
Status Error(absl::StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// "<message>: <text of error_number>". Take errno before any other call.
template <typename... Args>
Status ErrnoError(int error_number, fmt::format_string<Args...> format, Args&&... args) {
  return Status(CodeFromErrno(error_number),
                fmt::format(format, std::forward<Args>(args)...) + ": " + std::strerror(error_number));
}

// `status` with "<context>: " put in front; OK stays OK.
Status Annotate(const Status& status, std::string_view context);

// The message as a view; valid as long as `status` lives.
inline std::string_view Message(const Status& status) { return {status.message().data(), status.message().size()}; }

}  // namespace kiln

#define KILN_CONCAT_INNER(a, b) a##b
#define KILN_CONCAT(a, b) KILN_CONCAT_INNER(a, b)

#define KILN_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                    \
    if (::absl::Status kiln_status = (expression); !kiln_status.ok()) return kiln_status; \
  } while (false)

// KILN_ASSIGN_OR_RETURN(auto file, File::Open(path));
#define KILN_ASSIGN_OR_RETURN(declaration, expression) \
  KILN_ASSIGN_OR_RETURN_IMPL(KILN_CONCAT(kiln_status_or_, __LINE__), declaration, expression)
#define KILN_ASSIGN_OR_RETURN_IMPL(temporary, declaration, expression) \
  auto temporary = (expression);                                       \
  if (!temporary.ok()) return temporary.status();                      \
  declaration = *std::move(temporary)
