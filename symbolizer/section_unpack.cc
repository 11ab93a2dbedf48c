// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/section_unpack.h"

#include <elf.h>

#include <string>

#include "base/byte_reader.h"
#include "base/gzip.h"

namespace kiln::symbolizer {

StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes) {
  ByteReader reader(packed);
  Elf64_Chdr header;
  if (!reader.Read(header)) return Error(absl::StatusCode::kDataLoss, "the compression header is cut");
  if (header.ch_type != ELFCOMPRESS_ZLIB) {
    return Error(absl::StatusCode::kUnimplemented, "compressed by method {}", header.ch_type);
  }
  if (header.ch_size > limit_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, "unpacks to {} bytes; the limit is {}", header.ch_size,
                 limit_bytes);
  }
  // What is unpacked grows with what is there, not with what is announced.
  const StatusOr<std::string> text = ZlibDecompress(AsText(packed.subspan(reader.position())), header.ch_size);
  if (!text.ok()) return Error(absl::StatusCode::kDataLoss, "{}", Message(text.status()));
  if (text->size() != header.ch_size) {
    return Error(absl::StatusCode::kDataLoss, "unpacks to {} bytes instead of {}", text->size(), header.ch_size);
  }
  const std::span<const std::byte> bytes = AsBytes(*text);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

}  // namespace kiln::symbolizer
