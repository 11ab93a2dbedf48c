// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/terminal.h"

namespace kiln::agent {

ExitCode ExitCodeFor(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument: return ExitCode::kUsage;
    case absl::StatusCode::kDataLoss: return ExitCode::kDataError;
    case absl::StatusCode::kNotFound: return ExitCode::kNoInput;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition: return ExitCode::kUnavailable;
    case absl::StatusCode::kInternal: return ExitCode::kSoftware;
    case absl::StatusCode::kPermissionDenied: return ExitCode::kNoPermission;
    default: return ExitCode::kIoError;
  }
}

int Fail(std::string_view who, ExitCode code, std::string_view sentence) {
  fmt::print(stderr, "{}: {}\n", who, HarmlessText(sentence));
  return static_cast<int>(code);
}

}  // namespace kiln::agent
