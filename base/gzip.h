// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln {

// `data` as one gzip member (RFC 1952), without name or time: equal input gives equal output.
std::string GzipCompress(std::string_view data);

// True if `data` starts with the gzip magic.
bool IsGzip(std::string_view data);

// Unpacks all members. kInvalidArgument if damaged or cut, kResourceExhausted if the result would exceed `limit_bytes`.
StatusOr<std::string> GzipDecompress(std::string_view data, size_t limit_bytes);

// The same for the zlib format (RFC 1950), as in compressed sections of object files.
StatusOr<std::string> ZlibDecompress(std::string_view data, size_t limit_bytes);

}  // namespace kiln
