// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/string_table.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

// Names at ascending offsets of a table, through a window that only moves forward.
class ForwardReader {
 public:
  ForwardReader(const ElfFile& elf, const ElfFile::Section& table) : elf_(elf), table_(table) {}

  // The name at `offset`, valid until the next call; nullopt if it has no end within the limit or the table.
  // `offset` must not be smaller than in the call before.
  StatusOr<std::optional<std::string_view>> At(uint64_t offset) {
    if (offset >= table_.size) return std::nullopt;
    const uint64_t needed = std::min<uint64_t>(kMaxSymbolNameBytes + 1, table_.size - offset);
    if (window_start_ + window_.size() < offset + needed) {
      const uint64_t length = std::min<uint64_t>(kWindowBytes, table_.size - offset);
      window_.resize(length);
      window_start_ = offset;
      KILN_RETURN_IF_ERROR(elf_.ReadSectionAt(table_, offset, window_));
    }
    const std::span<const std::byte> bytes = std::span(window_).subspan(offset - window_start_, needed);
    // Bytes that an earlier call passed without a NUL are not searched again: names that all lie in one endless string
    // would otherwise cost its length each.
    const uint64_t known = std::min<uint64_t>(no_nul_before_ > offset ? no_nul_before_ - offset : 0, needed);
    const void* nul = known < needed ? std::memchr(bytes.data() + known, 0, needed - known) : nullptr;
    if (nul == nullptr) {
      no_nul_before_ = offset + needed;
      return std::nullopt;
    }
    const auto length = static_cast<size_t>(static_cast<const std::byte*>(nul) - bytes.data());
    no_nul_before_ = offset + length;
    return AsText(bytes.first(length));
  }

 private:
  static constexpr uint64_t kWindowBytes = 1 << 20;
  const ElfFile& elf_;
  const ElfFile::Section& table_;
  std::vector<std::byte> window_;
  uint64_t window_start_ = 0;
  uint64_t no_nul_before_ = 0;
};

}  // namespace

Status CopyNames(const ElfFile& elf, const ElfFile::Section& table, std::vector<uint32_t*> offsets, NamePool& pool) {
  if (table.type != SHT_STRTAB) return Error(absl::StatusCode::kDataLoss, "the names are in no string table");
  if (table.size > kMaxStringTableBytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a string table of {} bytes; the limit is {}", table.size,
                 kMaxStringTableBytes);
  }
  std::ranges::sort(offsets, {}, [](const uint32_t* offset) { return *offset; });
  ForwardReader reader(elf, table);
  NameCopier copier(pool);
  for (uint32_t* offset : offsets) {
    const uint64_t wanted = *offset;
    if (const std::optional<uint32_t> shared = copier.Shared(wanted)) {
      *offset = *shared;
      continue;
    }
    KILN_ASSIGN_OR_RETURN(const std::optional<std::string_view> name, reader.At(wanted));
    *offset = name ? copier.Add(wanted, *name) : 0;
  }
  return absl::OkStatus();
}

}  // namespace kiln::symbolizer
