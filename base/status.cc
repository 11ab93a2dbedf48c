// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

namespace kiln {

absl::StatusCode CodeFromErrno(int error_number) {
  switch (error_number) {
    case 0: return absl::StatusCode::kOk;
    case EPERM:
    case EACCES: return absl::StatusCode::kPermissionDenied;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return absl::StatusCode::kNotFound;
    case EEXIST: return absl::StatusCode::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ENOTDIR: return absl::StatusCode::kInvalidArgument;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EDQUOT: return absl::StatusCode::kResourceExhausted;
    case ENOSYS:
    case EOPNOTSUPP: return absl::StatusCode::kUnimplemented;
    case EAGAIN:
    case EBUSY:
    case EINTR: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return Status(status.code(), fmt::format("{}: {}", context, Message(status)));
}

}  // namespace kiln
