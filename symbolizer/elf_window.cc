// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_window.h"

#include <algorithm>
#include <cstring>

#include "base/byte_reader.h"

namespace kiln::symbolizer {

std::span<const std::byte> ElfWindow::At(ElfAddress address, size_t needed) {
  const uint64_t offset = address.value() - start_.value();
  if (address >= start_ && offset < bytes_.size() && bytes_.size() - offset >= needed) {
    return std::span<const std::byte>(bytes_).subspan(offset);
  }
  const uint64_t available = std::min<uint64_t>(elf_->BytesFrom(address), window_bytes_);
  if (available < needed) return {};
  bytes_.resize(available);
  start_ = address;
  if (!elf_->ReadAddress(address, bytes_).ok()) bytes_.clear();
  return bytes_;
}

bool ElfWindow::Read(ElfAddress address, std::span<std::byte> out) {
  if (out.empty()) return true;
  const std::span<const std::byte> bytes = At(address, out.size());
  if (bytes.empty()) return false;
  std::memcpy(out.data(), bytes.data(), out.size());
  return true;
}

bool ElfWindow::ReadText(ElfAddress address, size_t limit, std::string& out) {
  out.clear();
  while (out.size() < limit) {
    const std::string_view text = AsText(At(ElfAddress(address.value() + out.size())));
    if (text.empty()) return false;
    const size_t end = std::min(text.find('\0'), text.size());
    out.append(text.substr(0, std::min(end, limit - out.size())));
    if (end != text.size()) return true;
  }
  return true;
}

}  // namespace kiln::symbolizer
