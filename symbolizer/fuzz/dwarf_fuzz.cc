// SPDX-License-Identifier: Apache-2.0
// The whole pass over debug information, on any bytes: what is written must be an index that can be read, and its
// lookups must agree with what the index says of itself.
//
// Input: one byte of switches, then the length of each section of kSections (4 bytes, little endian), then their
// contents. A section that is not all there gets what is left. Behind them a second set of the same form, for the
// package of split units and their files.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/fd.h"
#include "symbolizer/index/index_builder.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/index/line_index_writer.h"
#include "symbolizer/testing/elf_builder.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

constexpr const char* kSections[] = {"info", "abbrev", "line",     "str",      "line_str", "str_offsets",
                                     "addr", "ranges", "rnglists", "cu_index", "types"};
enum Switches : uint8_t { kAllIsCode = 1, kHasPackage = 2, kOwnSupplementary = 4, kHasDwo = 8 };

void Check(bool condition) {
  if (!condition) std::abort();
}

testing::ElfBuilder Code(bool all) {
  testing::ElfBuilder builder;
  if (!all) builder.AddSegment(testing::LoadSegment(0, 0x1000, 0x10000, PF_R | PF_X));
  builder.AddSymbols(SHT_SYMTAB, {{.name = "_ZN1a1fEv", .value = 0x1000, .size = 0x20}});
  return builder;
}

// Moves from the front of `bytes`.
std::string Take(std::string_view& bytes, uint64_t count) {
  const std::string taken(bytes.substr(0, count));
  bytes.remove_prefix(taken.size());
  return taken;
}

testing::ElfBuilder WithSections(testing::ElfBuilder builder, std::string_view& input) {
  std::vector<uint32_t> lengths(std::size(kSections));
  for (uint32_t& length : lengths) {
    std::string number = Take(input, sizeof(length));
    number.resize(sizeof(length));
    std::memcpy(&length, number.data(), sizeof(length));
  }
  for (size_t i = 0; i < std::size(kSections); ++i) {
    builder.Add({.name = std::string(".debug_") + kSections[i], .bytes = Take(input, lengths[i])});
  }
  return builder;
}

std::vector<std::byte> ReadAll(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  Check(::pread(fd, bytes.data(), bytes.size(), 0) == size);
  return bytes;
}

void CheckIndex(const std::vector<std::byte>& bytes) {
  const StatusOr<LineIndex> index = LineIndex::FromBytes(bytes);
  Check(index.ok());
  std::vector<uint64_t> addresses;
  for (uint64_t address = 0; address < 0x12000; address += 0x1d) addresses.push_back(address);
  // Areas come first in the file.
  for (uint32_t i = 0; i < std::min<uint32_t>(index->header().areas, 1000); ++i) {
    LineIndexArea area;
    std::memcpy(&area, bytes.data() + sizeof(LineIndexHeader) + i * sizeof(area), sizeof(area));
    for (const uint64_t address : {area.start, area.end - 1, area.end, area.start + (area.end - area.start) / 2}) {
      addresses.push_back(address);
    }
  }
  std::vector<LineIndex::Line> lines;
  for (const uint64_t address : addresses) {
    index->Lookup(ElfAddress(address), lines);
    for (const LineIndex::Line& line : lines) {
      Check(line.function.size() <= kMaxIndexedTextBytes && line.file.size() <= kMaxIndexedTextBytes);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t switches = data[0];
  const bool all_is_code = (switches & kAllIsCode) != 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const StatusOr<ElfFile> elf = WithSections(Code(all_is_code), input).Open();
  const std::string second = WithSections(testing::ElfBuilder(), input).Build();
  const StatusOr<ElfFile> package = testing::ElfBuilder::OpenText(second);
  Check(elf.ok() && package.ok());
  const IndexInput what{.code = &*elf,
                        .debug = &*elf,
                        .supplementary = (switches & kOwnSupplementary) != 0 ? &*elf : nullptr,
                        .package = (switches & kHasPackage) != 0 ? &*package : nullptr,
                        .open_dwo = [&](const dwarf::DwoReference&) -> std::optional<ElfFile> {
                          if ((switches & kHasDwo) == 0) return std::nullopt;
                          return *testing::ElfBuilder::OpenText(second);
                        }};
  const UniqueFd fd(::memfd_create("kiln-index", MFD_CLOEXEC));
  Check(fd.valid());
  const Status status = BuildLineIndex(what, {.limit_bytes = 16 << 20}, fd.get());
  if (status.ok()) {
    CheckIndex(ReadAll(fd.get()));
  } else {
    Check(absl::IsNotFound(status) || absl::IsDataLoss(status) || absl::IsResourceExhausted(status));
  }
  return 0;
}
