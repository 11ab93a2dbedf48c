// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/net/settings.h"
#include "base/status.h"

namespace kiln::exporters {

// "gzip", "zstd": the name in Content-Encoding and grpc-encoding; "" for none.
std::string_view EncodingName(Compression compression);

// `data` as one gzip member or one zstd frame, at the fastest level: CPU time of the host is dearer than bytes. A copy
// if `compression` is none. Equal input gives equal output.
std::string Compress(Compression compression, std::string_view data);

// What was compressed in the way that `encoding` names: gzip, zstd, identity. kInvalidArgument if it is damaged or the
// name not known, kResourceExhausted if the result would exceed `limit_bytes`.
StatusOr<std::string> Decompress(std::string_view encoding, std::string_view data, size_t limit_bytes);

}  // namespace kiln::exporters
