// SPDX-License-Identifier: Apache-2.0
// A line index of any bytes whose checksums are right: what hostile hands could write, damage could not. Lookups must
// stay within the file, and end.
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "symbolizer/index/line_index.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

// In 64-bit numbers: tables in the file are aligned.
std::vector<uint64_t> WithChecksums(const uint8_t* data, size_t size) {
  std::vector<uint64_t> words((std::max(size, sizeof(LineIndexHeader)) + 7) / 8);
  std::memcpy(words.data(), data, size);
  LineIndexHeader header;
  std::memcpy(&header, words.data(), sizeof(header));
  std::memcpy(header.magic, kLineIndexMagic, sizeof(header.magic));
  header.version = kLineIndexVersion;
  header.header_bytes = sizeof(header);
  header.file_bytes = words.size() * 8;
  const auto rest = std::as_bytes(std::span(words)).subspan(sizeof(header));
  header.checksum = ::XXH3_64bits(rest.data(), rest.size());
  header.header_checksum = 0;
  header.header_checksum = ::XXH3_64bits(&header, sizeof(header));
  std::memcpy(words.data(), &header, sizeof(header));
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::vector<uint64_t> words = WithChecksums(data, size);
  const auto bytes = std::as_bytes(std::span(words));
  const StatusOr<LineIndex> index = LineIndex::FromBytes(bytes);
  if (!index.ok()) {
    Check(absl::IsDataLoss(index.status()));
    return 0;
  }
  std::vector<uint64_t> addresses;
  for (uint64_t address = 0; address < 0x4000; address += 0x33) addresses.push_back(address);
  const size_t areas = std::min<size_t>(index->header().areas, 64);
  for (size_t i = 0; i < areas; ++i) {
    LineIndexArea area;
    std::memcpy(&area, bytes.data() + sizeof(LineIndexHeader) + i * sizeof(area), sizeof(area));
    const uint64_t step = std::max<uint64_t>((area.end - area.start) / 32, 1);
    for (int j = -1; j <= 33; ++j) addresses.push_back(area.start + static_cast<uint64_t>(j) * step);
    addresses.push_back(area.end - 1);
  }
  size_t text = 0;
  std::vector<LineIndex::Line> lines;
  for (const uint64_t address : addresses) {
    index->Lookup(ElfAddress(address), lines);
    // Touched, so that the sanitizer sees where they lie.
    for (const LineIndex::Line& line : lines) {
      if (!line.function.empty()) text += static_cast<unsigned char>(line.function.back());
      if (!line.file.empty()) text += static_cast<unsigned char>(line.file.back());
    }
  }
  Check(text <= SIZE_MAX / 2);
  return 0;
}
