// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/padding.h"

#include <cstdint>
#include <optional>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

// The bytes of one x86-64 no-operation at the start of `code`; 0 if it is something else. Intel SDM, volume 2, NOP,
// with the prefixes that lengthen it.
size_t X86NopBytes(std::span<const std::byte> code) {
  constexpr auto kOperandSize = std::byte{0x66};
  constexpr auto kSegment = std::byte{0x2e};
  size_t at = 0;
  while (at < code.size() && (code[at] == kOperandSize || code[at] == kSegment)) ++at;
  if (at == code.size()) return 0;
  if (code[at] == std::byte{0x90}) return at + 1;
  if (at == 0 && code[at] == std::byte{0xcc}) return 1;  // int3
  if (at + 2 >= code.size() || code[at] != std::byte{0x0f} || code[at + 1] != std::byte{0x1f}) return 0;
  const auto modrm = std::to_integer<uint8_t>(code[at + 2]);
  const uint8_t mode = modrm >> 6;
  const bool has_sib = mode != 3 && (modrm & 7) == 4;
  const size_t displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0;
  // nop with an address that needs no base, or a register: not what assemblers write.
  if ((modrm & 0x38) != 0 || mode == 3 || (mode == 0 && (modrm & 7) == 5)) return 0;
  return at + 3 + (has_sib ? 1 : 0) + displacement;
}

bool IsArm64Filler(uint32_t instruction) {
  constexpr uint32_t kNop = 0xd503201f;
  constexpr uint32_t kUdf = 0;
  constexpr uint32_t kBrkMask = 0xffe0001f;
  constexpr uint32_t kBrk = 0xd4200000;
  return instruction == kNop || instruction == kUdf || (instruction & kBrkMask) == kBrk;
}

}  // namespace

bool IsPadding(const UnwindMachine& machine, std::span<const std::byte> code) {
  if (code.empty()) return false;
  if (!machine.is_x86()) {
    ByteReader reader(code);
    uint32_t instruction = 0;
    while (reader.Read(instruction)) {
      if (!IsArm64Filler(instruction)) return false;
    }
    return reader.remaining() == 0;
  }
  while (!code.empty()) {
    const size_t bytes = X86NopBytes(code);
    if (bytes == 0 || bytes > code.size()) return false;
    code = code.subspan(bytes);
  }
  return true;
}

}  // namespace kiln::symbolizer
