// SPDX-License-Identifier: Apache-2.0
// A reader for the inner loops of the DWARF pass, which take millions of numbers: instead of a result for each read
// there is one flag that stays. A read past the end gives 0 and sets failed(); so does every read after it. Whoever
// loops checks the flag once per round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace kiln::symbolizer::dwarf {

using Bytes = std::span<const std::byte>;

// Does not own the bytes. Little endian, as all files that are read.
class Cursor {
 public:
  Cursor() = default;
  // Starts at `position`; beyond the end it has failed.
  explicit Cursor(Bytes bytes, uint64_t position = 0) : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {
    Seek(position);
  }

  bool failed() const { return failed_; }
  bool AtEnd() const { return at_ == end_; }
  // From the start of the bytes.
  uint64_t position() const { return static_cast<uint64_t>(at_ - begin_); }
  uint64_t remaining() const { return static_cast<uint64_t>(end_ - at_); }

  void Seek(uint64_t position) {
    if (position > static_cast<uint64_t>(end_ - begin_)) return Fail();
    at_ = begin_ + position;
  }
  void Skip(uint64_t count) {
    if (count > remaining()) return Fail();
    at_ += count;
  }

  uint8_t U8() { return Fixed<uint8_t>(); }
  uint16_t U16() { return Fixed<uint16_t>(); }
  uint32_t U24() {
    const uint32_t low = U16();
    return low | static_cast<uint32_t>(U8()) << 16;
  }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  // An offset of the 32-bit or 64-bit format of DWARF.
  uint64_t Offset(bool is_64) { return is_64 ? U64() : U32(); }
  // `bytes` is 1 to 8; others fail.
  uint64_t Unsigned(uint8_t bytes) {
    switch (bytes) {
      case 1: return U8();
      case 2: return U16();
      case 3: return U24();
      case 4: return U32();
      case 8: return U64();
      default: Fail(); return 0;
    }
  }

  // DWARF 5, section 7.6. Bits beyond the 64th are dropped.
  uint64_t Uleb() {
    if (at_ != end_ && (static_cast<uint8_t>(*at_) & 0x80) == 0) return static_cast<uint8_t>(*at_++);
    return LongLeb(nullptr);
  }
  int64_t Sleb() {
    int shift = 0;
    const uint64_t value = LongLeb(&shift);
    const bool negative = at_ != begin_ && (static_cast<uint8_t>(at_[-1]) & 0x40) != 0;
    return static_cast<int64_t>(negative && shift < 64 && !failed_ ? value | ~uint64_t{0} << shift : value);
  }
  void SkipLeb() {
    while (at_ != end_) {
      if ((static_cast<uint8_t>(*at_++) & 0x80) == 0) return;
    }
    Fail();
  }

  // Up to the next NUL, which is passed over. Fails if there is none.
  std::string_view String() {
    const auto* text = reinterpret_cast<const char*>(at_);
    const void* nul = at_ == end_ ? nullptr : std::memchr(text, 0, remaining());
    if (nul == nullptr) {
      Fail();
      return {};
    }
    const auto length = static_cast<size_t>(static_cast<const char*>(nul) - text);
    at_ += length + 1;
    return {text, length};
  }
  Bytes Take(uint64_t count) {
    if (count > remaining()) {
      Fail();
      return {};
    }
    const Bytes taken(at_, count);
    at_ += count;
    return taken;
  }

  void Fail() {
    failed_ = true;
    at_ = end_;
  }

 private:
  template <typename T>
  T Fixed() {
    T value{};
    if (remaining() < sizeof(T)) {
      Fail();
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  uint64_t LongLeb(int* bits) {
    uint64_t value = 0;
    // Assemblers pad numbers, though hardly beyond ten bytes.
    for (int shift = 0; shift < 7 * 16 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) != 0) continue;
      if (bits != nullptr) *bits = shift + 7;
      return value;
    }
    Fail();
    return 0;
  }

  const std::byte* begin_ = nullptr;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  bool failed_ = false;
};

// Of one text of a string section; longer ones count as none. Entries of a hostile file may all refer to one text that
// is as long as the section.
inline constexpr uint64_t kMaxStringBytes = 64 << 10;

// The NUL-terminated text at `offset`; "" if it is not there.
inline std::string_view StringAt(Bytes section, uint64_t offset) {
  if (offset >= section.size()) return {};
  const uint64_t left = section.size() - offset;
  return Cursor(section.subspan(offset, left < kMaxStringBytes ? left : kMaxStringBytes)).String();
}

// section[offset, offset + size); empty if that is not all there.
inline Bytes Slice(Bytes section, uint64_t offset, uint64_t size) {
  if (offset > section.size() || size > section.size() - offset) return {};
  return section.subspan(offset, size);
}

}  // namespace kiln::symbolizer::dwarf
