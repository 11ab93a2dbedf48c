// SPDX-License-Identifier: Apache-2.0
// Unpacks compressed sections. What is unpacked grows with what is there, never by what is announced, and stops at the
// limit: a section of a few KiB that announces terabytes, or really has them, costs no more memory than the limit and
// kMaxUnpackWindowBytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace kiln::symbolizer {

// Zstandard data that looks back further is refused: level 20 and below do not, linkers use 3.
inline constexpr uint64_t kMaxUnpackWindowBytes = 32 << 20;

// The content of a section with SHF_COMPRESSED, of which `packed` is what the file has: an Elf64_Chdr and the data
// (gABI, "Section Compression"). kUnimplemented for other methods than ELFCOMPRESS_ZLIB and ELFCOMPRESS_ZSTD,
// kResourceExhausted if it is more than `limit_bytes`, kDataLoss if damaged or of another size than announced.
StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes);

// The same for the form before there was SHF_COMPRESSED, in sections called .zdebug_*: "ZLIB", the size as 8 bytes, big
// endian, and data of zlib.
StatusOr<std::vector<std::byte>> UnpackGnuSection(std::span<const std::byte> packed, uint64_t limit_bytes);

}  // namespace kiln::symbolizer
