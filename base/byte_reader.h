// SPDX-License-Identifier: Apache-2.0
// All bytes from outside (ring buffers, ELF, perf events) are read through ByteReader: each read checks the bounds, a
// read past the end returns false / nullopt and leaves the position where it was. Little endian, as every machine that
// kiln runs on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace kiln {

// Does not own the bytes; the creator keeps them alive. Thread-compatible.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  // Copies one trivially copyable value; false at the end.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] bool Read(T& out) {
    if (remaining() < sizeof(T)) return false;
    std::memcpy(&out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  // The next `count` bytes without a copy.
  std::optional<std::span<const std::byte>> Bytes(size_t count) {
    if (remaining() < count) return std::nullopt;
    auto result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

  [[nodiscard]] bool Skip(size_t count) { return Bytes(count).has_value(); }

  // Text up to (without) the next NUL, which is consumed. nullopt if there is none before the end.
  std::optional<std::string_view> CString() {
    const auto rest = bytes_.subspan(position_);
    const void* nul = rest.empty() ? nullptr : std::memchr(rest.data(), 0, rest.size());
    if (nul == nullptr) return std::nullopt;
    const auto length = static_cast<size_t>(static_cast<const std::byte*>(nul) - rest.data());
    position_ += length + 1;
    return std::string_view(reinterpret_cast<const char*>(rest.data()), length);
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace kiln
