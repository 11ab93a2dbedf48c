// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace kiln::symbolizer {

// The content of a section with SHF_COMPRESSED, of which `packed` is what the file has: an Elf64_Chdr and the data
// (gABI, "Section Compression"). kUnimplemented for other methods than ELFCOMPRESS_ZLIB, kResourceExhausted if it is
// more than `limit_bytes`, kDataLoss if damaged or of another size than announced.
StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes);

}  // namespace kiln::symbolizer
