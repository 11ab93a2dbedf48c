// SPDX-License-Identifier: Apache-2.0
// Reading files, of any type that read(2) serves (/proc and /sys files too), piece by piece: in as much memory as a
// piece takes.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln {

inline constexpr size_t kPieceBytes = 64 * 1024;

// Hands on the content in pieces of at most kPieceBytes. An error of `take` ends it and is returned. kResourceExhausted
// at the piece that goes beyond `limit_bytes`.
Status ForEachPiece(const std::string& path, size_t limit_bytes, absl::FunctionRef<Status(std::string_view)> take);

// The same by lines, without their ends; the last one may have none. A line longer than kPieceBytes comes as several.
Status ForEachLine(const std::string& path, size_t limit_bytes, absl::FunctionRef<Status(std::string_view)> take);

}  // namespace kiln
