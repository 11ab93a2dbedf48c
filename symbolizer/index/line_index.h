// SPDX-License-Identifier: Apache-2.0
// Looks addresses up in a line index (format: line_index_format.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/file.h"
#include "base/status.h"
#include "symbolizer/index/line_index_format.h"

namespace kiln::symbolizer {

// Immutable; thread-safe. Move-only.
class LineIndex {
 public:
  // Reads the file once for its checksum and maps it. kFailedPrecondition: of another version; kDataLoss: damaged. The
  // mapping outlives `file`. Whoever may truncate the file afterwards can end this process by SIGBUS: it has to lie in
  // a folder of our own.
  static StatusOr<LineIndex> Open(const File& file);
  // The same for bytes in memory, which must live longer.
  static StatusOr<LineIndex> FromBytes(std::span<const std::byte> bytes);
  LineIndex(LineIndex&&) noexcept = default;
  LineIndex& operator=(LineIndex&&) noexcept = default;

  // A function at an address. Texts lie in the index; "" and 0 = not known.
  struct Line {
    std::string_view function;
    bool is_linkage_name;  // as in the symbol table, perhaps mangled
    uint32_t start_line;
    std::string_view file;
    uint32_t line;
    uint32_t column;
  };
  // Replaces `out` by what is at the address: innermost inlined function first; the last one is the function that the
  // code belongs to, and alone may lack its name. Empty if DWARF knows nothing of the address. Allocates only what
  // `out` lacks in capacity.
  void Lookup(ElfAddress address, std::vector<Line>& out) const;

  const LineIndexHeader& header() const { return header_; }
  // Of the file: mapped, in memory only as far as it is looked at.
  uint64_t bytes() const { return bytes_.size(); }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(const std::byte* at) const;
  };
  LineIndex() = default;
  Status Check(std::span<const std::byte> bytes);
  std::string_view Text(LineIndexText text) const {
    if (text.offset > strings_.size() || text.bytes > strings_.size() - text.offset) return {};
    return {strings_.data() + text.offset, text.bytes};
  }
  std::string_view FilePath(uint32_t index) const { return index < files_.size() ? Text(files_[index]) : ""; }

  std::unique_ptr<const std::byte, Unmap> mapping_;
  std::span<const std::byte> bytes_;
  LineIndexHeader header_{};
  std::span<const LineIndexArea> areas_;
  std::span<const uint32_t> buckets_;
  std::span<const uint32_t> starts_;
  std::span<const LineIndexPlace> places_;
  std::span<const uint16_t> columns_;
  std::span<const LineIndexNode> nodes_;
  std::span<const LineIndexFunction> functions_;
  std::span<const LineIndexText> files_;
  std::span<const char> strings_;
};

}  // namespace kiln::symbolizer
