// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/net/settings.h"

namespace kiln::exporters {

// "gzip", "zstd": the name in Content-Encoding and grpc-encoding; "" for none.
std::string_view EncodingName(Compression compression);

// `data` as one gzip member or one zstd frame, at the fastest level: CPU time of the host is dearer than bytes. A copy
// if `compression` is none. Equal input gives equal output.
std::string Compress(Compression compression, std::string_view data);

}  // namespace kiln::exporters
