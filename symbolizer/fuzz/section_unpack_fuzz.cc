// SPDX-License-Identifier: Apache-2.0
// Both forms of compressed sections on any bytes: what is unpacked has the size that was announced, within the limit.
#include <cstdint>
#include <cstdlib>

#include "symbolizer/section_unpack.h"

using namespace kiln;
using namespace kiln::symbolizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kLimit = 8 << 20;
  const std::span<const std::byte> packed(reinterpret_cast<const std::byte*>(data), size);
  for (const auto& unpacked : {UnpackSection(packed, kLimit), UnpackGnuSection(packed, kLimit)}) {
    if (unpacked.ok() && unpacked->size() > kLimit) std::abort();
    if (!unpacked.ok() && unpacked.status().code() != absl::StatusCode::kDataLoss &&
        unpacked.status().code() != absl::StatusCode::kResourceExhausted &&
        unpacked.status().code() != absl::StatusCode::kUnimplemented) {
      std::abort();
    }
  }
  return 0;
}
