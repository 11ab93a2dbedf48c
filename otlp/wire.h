// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace kiln::otlp {

// Protobuf's wire types; the two of groups are not among them, no message of OTLP ever had one.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  uint32_t number_of_field = 0;
  WireType type = WireType::kVarint;
  uint64_t number = 0;     // all types but kBytes
  std::string_view bytes;  // kBytes; into what the reader reads
};

// Reads the fields of one protobuf message one by one, checking all bounds. Does not own the bytes. Thread-compatible.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool AtEnd() const { return rest_.empty(); }

  // The next field. False if the bytes are damaged: cut, a number of 0 or above 2^29-1, a group.
  [[nodiscard]] bool Next(WireField& out) {
    uint64_t tag = 0;
    if (!Varint(tag) || tag > UINT32_MAX || tag >> 3 == 0) return false;
    out.number_of_field = static_cast<uint32_t>(tag >> 3);
    return NextValue(static_cast<WireType>(tag & 7), out);
  }

  // A value without a tag, as in packed fields.
  [[nodiscard]] bool NextValue(WireType type, WireField& out) {
    out.type = type;
    switch (type) {
      case WireType::kVarint: return Varint(out.number);
      case WireType::kFixed64: return Fixed<uint64_t>(out.number);
      case WireType::kFixed32: return Fixed<uint32_t>(out.number);
      case WireType::kBytes: {
        uint64_t length = 0;
        if (!Varint(length) || length > rest_.size()) return false;
        out.bytes = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return true;
      }
    }
    return false;
  }

 private:
  bool Varint(uint64_t& out) {
    out = 0;
    for (size_t i = 0; i < rest_.size() && i < 10; ++i) {
      const auto byte = static_cast<uint8_t>(rest_[i]);
      out |= uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  template <typename T>
  bool Fixed(uint64_t& out) {
    if (rest_.size() < sizeof(T)) return false;
    T value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    out = value;
    return true;
  }

  std::string_view rest_;
};

}  // namespace kiln::otlp
