// SPDX-License-Identifier: Apache-2.0
#include "base/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/fd.h"

namespace kiln {

Status ForEachPiece(const std::string& path, size_t limit_bytes, absl::FunctionRef<Status(std::string_view)> take) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return ErrnoError(errno, "cannot open {}", path);
  std::array<char, kPieceBytes> buffer;
  size_t bytes = 0;
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot read {}", path);
    }
    if (count == 0) return absl::OkStatus();
    bytes += static_cast<size_t>(count);
    if (bytes > limit_bytes) {
      return Error(absl::StatusCode::kResourceExhausted, "{} is larger than {} bytes", path, limit_bytes);
    }
    KILN_RETURN_IF_ERROR(take(std::string_view(buffer.data(), static_cast<size_t>(count))));
  }
}

Status ForEachLine(const std::string& path, size_t limit_bytes, absl::FunctionRef<Status(std::string_view)> take) {
  std::string rest;  // of the last piece, without its end
  KILN_RETURN_IF_ERROR(ForEachPiece(path, limit_bytes, [&](std::string_view piece) -> Status {
    for (size_t end; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
      rest.append(piece.substr(0, end));
      KILN_RETURN_IF_ERROR(take(rest));
      rest.clear();
    }
    rest.append(piece);
    if (rest.size() < kPieceBytes) return absl::OkStatus();
    const std::string part = std::exchange(rest, {});
    return take(part);
  }));
  return rest.empty() ? absl::OkStatus() : take(rest);
}

}  // namespace kiln
