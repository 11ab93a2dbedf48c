// SPDX-License-Identifier: Apache-2.0
// Unpacks compressed sections. What is unpacked grows with what is there, never by what is announced, and stops at the
// limit: a section of a few KiB that announces terabytes, or really has them, costs no more memory than the limit and
// kMaxUnpackWindowBytes; piece by piece, into a sink, no more than the latter.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace kiln::symbolizer {

// Zstandard data that looks back further is refused: level 20 and below do not, linkers use 3.
inline constexpr uint64_t kMaxUnpackWindowBytes = 32 << 20;

// Where packed bytes come from: fills as much of the buffer as there is, and returns how much; 0 at the end.
using UnpackSource = absl::FunctionRef<StatusOr<size_t>(std::span<std::byte>)>;
// Takes what was unpacked, in order; its error ends the unpacking.
using UnpackSink = absl::FunctionRef<Status(std::span<const std::byte>)>;

// The content of a section with SHF_COMPRESSED, of which `packed` is what the file has: an Elf64_Chdr and the data
// (gABI, "Section Compression"). kUnimplemented for other methods than ELFCOMPRESS_ZLIB and ELFCOMPRESS_ZSTD,
// kResourceExhausted if it is more than `limit_bytes`, kDataLoss if damaged or of another size than announced.
Status UnpackSection(UnpackSource packed, uint64_t limit_bytes, UnpackSink sink);
StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes);

// The same for the form before there was SHF_COMPRESSED, in sections called .zdebug_*: "ZLIB", the size as 8 bytes, big
// endian, and data of zlib.
Status UnpackGnuSection(UnpackSource packed, uint64_t limit_bytes, UnpackSink sink);
StatusOr<std::vector<std::byte>> UnpackGnuSection(std::span<const std::byte> packed, uint64_t limit_bytes);

}  // namespace kiln::symbolizer
