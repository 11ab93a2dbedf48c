// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_code.h"

#include <elf.h>

#include <string_view>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

using std::string_view_literals::operator""sv;

// Whether `text` begins with `prefix`, which is then removed.
bool Take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

uint64_t RoundUp(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

std::optional<PltStubCode> DecodeX86(uint64_t address, std::string_view code) {
  constexpr std::string_view kEndbr = "\xf3\x0f\x1e\xfa"sv;
  constexpr std::string_view kBnd = "\xf2"sv;
  constexpr std::string_view kJumpThroughSlot = "\xff\x25"sv;
  constexpr std::string_view kLoadSlot = "\x4c\x8b\x1d"sv;  // mov slot(%rip),%r11
  constexpr std::string_view kJump = "\x41\xff\xe3"sv;      // jmp *%r11
  constexpr char kCallNear = '\xe8';                        // the retpoline of linkers that bind lazily
  constexpr char kJumpNear = '\xe9';                        // that of those that bind at once
  constexpr char kPush = '\x68';
  std::string_view rest = code;
  (void)Take(rest, kEndbr);
  (void)Take(rest, kBnd);
  const bool jumps = Take(rest, kJumpThroughSlot);
  if (!jumps && !Take(rest, kLoadSlot)) return std::nullopt;
  int32_t displacement = 0;
  ByteReader reader(AsBytes(rest));
  if (!reader.Read(displacement)) return std::nullopt;
  rest.remove_prefix(sizeof(displacement));
  const uint64_t end = code.size() - rest.size();
  // Wraps around as the processor does.
  PltStubCode stub{.slot = address + end + static_cast<uint64_t>(int64_t{displacement}), .size = RoundUp(end, 8)};
  if (jumps) {
    if (rest.starts_with(kPush)) stub.size = 16;
  } else if (rest.starts_with(kJump) || rest.starts_with(kJumpNear)) {
    stub.size = 16;
  } else if (rest.starts_with(kCallNear)) {
    stub.size = kMaxPltStubBytes;
  } else {
    return std::nullopt;
  }
  return stub;
}

std::optional<PltStubCode> DecodeArm64(uint64_t address, std::span<const std::byte> code) {
  constexpr uint32_t kBtiC = 0xd503245f;
  constexpr uint32_t kNop = 0xd503201f;
  constexpr uint32_t kBrX17 = 0xd61f0220;
  ByteReader reader(code);
  uint32_t word = 0;
  if (!reader.Read(word)) return std::nullopt;
  if (word == kBtiC && !reader.Read(word)) return std::nullopt;
  const uint64_t adrp_at = address + reader.position() - sizeof(word);
  uint32_t load = 0;
  if ((word & 0x9f00001f) != 0x90000010 || !reader.Read(load)) return std::nullopt;  // adrp x16
  if ((load & 0xffc003ff) != 0xf9400211) return std::nullopt;                        // ldr x17, [x16, #offset]
  // 21 bits, signed, of pages.
  const uint32_t pages = ((word >> 29) & 3) | (((word >> 5) & 0x7ffff) << 2);
  const int64_t distance = (static_cast<int64_t>(pages ^ 0x100000) - 0x100000) * 4096;
  const uint64_t slot = (adrp_at & ~uint64_t{4095}) + static_cast<uint64_t>(distance) + ((load >> 10) & 0xfff) * 8;
  while (reader.position() < kMaxPltStubBytes && reader.Read(word)) {
    if (word != kBrX17) continue;
    uint64_t size = reader.position();
    if (size % 8 != 0 && reader.Read(word) && word == kNop) size += sizeof(word);
    return PltStubCode{.slot = slot, .size = size};
  }
  return std::nullopt;
}

}  // namespace

std::optional<PltStubCode> DecodePltStub(uint16_t machine, uint64_t address, std::span<const std::byte> code) {
  switch (machine) {
    case EM_X86_64: return DecodeX86(address, AsText(code));
    case EM_AARCH64: return DecodeArm64(address, code);
    default: return std::nullopt;
  }
}

}  // namespace kiln::symbolizer
