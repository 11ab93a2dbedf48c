// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/mini_debug_info.h"

#include <lzma.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "symbolizer/byte_source.h"

namespace kiln::symbolizer {
namespace {

Status XzError(lzma_ret result) {
  switch (result) {
    case LZMA_MEMLIMIT_ERROR:
      return Error(absl::StatusCode::kResourceExhausted, "needs more than {} bytes to unpack", kMaxXzMemoryBytes);
    case LZMA_MEM_ERROR: return Error(absl::StatusCode::kResourceExhausted, "no memory to unpack");
    case LZMA_OPTIONS_ERROR: return Error(absl::StatusCode::kUnimplemented, "packed by unknown options of xz");
    case LZMA_FORMAT_ERROR: return Error(absl::StatusCode::kDataLoss, "not in the format of xz");
    default: return Error(absl::StatusCode::kDataLoss, "damaged or cut xz data");
  }
}

// Grows with what is there: the room for the most of it is reserved, but memory that is not written to is not taken.
StatusOr<std::vector<std::byte>> Unxz(std::span<const std::byte> packed) {
  constexpr size_t kStep = 256 * 1024;
  lzma_stream stream = LZMA_STREAM_INIT;
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> end(&stream, ::lzma_end);
  if (const lzma_ret result = ::lzma_stream_decoder(&stream, kMaxXzMemoryBytes, 0); result != LZMA_OK) {
    return XzError(result);
  }
  stream.next_in = reinterpret_cast<const uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  std::vector<std::byte> bytes;
  bytes.reserve(kMaxMiniDebugInfoBytes);
  for (;;) {
    const size_t used = bytes.size();
    if (used == kMaxMiniDebugInfoBytes) {
      return Error(absl::StatusCode::kResourceExhausted, "unpacks to more than {} bytes", kMaxMiniDebugInfoBytes);
    }
    bytes.resize(std::min<size_t>(used + kStep, kMaxMiniDebugInfoBytes));
    stream.next_out = reinterpret_cast<uint8_t*>(bytes.data() + used);
    stream.avail_out = bytes.size() - used;
    const lzma_ret result = ::lzma_code(&stream, LZMA_FINISH);
    bytes.resize(bytes.size() - stream.avail_out);
    if (result == LZMA_STREAM_END) break;
    if (result != LZMA_OK) return XzError(result);
  }
  // A copy, for which there has to be room, too.
  if (bytes.size() < kMaxMiniDebugInfoBytes / 2) bytes.shrink_to_fit();
  return bytes;
}

}  // namespace

StatusOr<std::optional<ElfFile>> ReadMiniDebugInfo(const ElfFile& elf) {
  const ElfFile::Section* section = elf.FindSection(".gnu_debugdata");
  if (section == nullptr) return std::nullopt;
  KILN_ASSIGN_OR_RETURN(const std::vector<std::byte> packed, elf.ReadSection(*section, kMaxMiniDebugInfoBytes));
  StatusOr<std::vector<std::byte>> bytes = Unxz(packed);
  if (!bytes.ok()) return Annotate(bytes.status(), "section .gnu_debugdata");
  StatusOr<ElfFile> inner = ElfFile::Open(MakeMemorySource(*std::move(bytes)));
  if (!inner.ok()) {
    return Error(inner.status().code() == absl::StatusCode::kResourceExhausted ? absl::StatusCode::kResourceExhausted
                                                                               : absl::StatusCode::kDataLoss,
                 "what .gnu_debugdata holds: {}", Message(inner.status()));
  }
  if (inner->machine() != elf.machine()) {
    return Error(absl::StatusCode::kDataLoss, "what .gnu_debugdata holds is for another machine");
  }
  return std::optional<ElfFile>(*std::move(inner));
}

}  // namespace kiln::symbolizer
