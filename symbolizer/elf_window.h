// SPDX-License-Identifier: Apache-2.0
// Makes one read of the file out of neighbouring small ones, for tables that are read where they are needed instead of
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// Does not own the file, which has to live longer. Thread-compatible.
class ElfWindow {
 public:
  // `window_bytes` are read at once, from the address that is asked for on.
  ElfWindow(const ElfFile& elf, size_t window_bytes) : elf_(&elf), window_bytes_(window_bytes) {}

  // What the file has at `address` (ElfFile::ReadAddress): at least `needed` bytes, at most a window. Empty if it
  // hasn't so many there, or `needed` is more than a window. Valid until the next call.
  std::span<const std::byte> At(ElfAddress address, size_t needed = 1);
  // Fill `out`; false if the file hasn't so many bytes there, or they are more than a window.
  [[nodiscard]] bool Read(ElfAddress address, std::span<std::byte> out);
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] bool Read(ElfAddress address, T& out) {
    return Read(address, std::as_writable_bytes(std::span(&out, 1)));
  }
  // The text up to its NUL, or the first `limit` bytes if it is longer; false if the file ends before.
  [[nodiscard]] bool ReadText(ElfAddress address, size_t limit, std::string& out);

 private:
  const ElfFile* elf_;
  size_t window_bytes_;
  ElfAddress start_;
  std::vector<std::byte> bytes_;
};

}  // namespace kiln::symbolizer
