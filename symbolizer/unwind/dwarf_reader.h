// SPDX-License-Identifier: Apache-2.0
// Numbers as DWARF and .eh_frame write them, on top of ByteReader: false at the end of the bytes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/byte_reader.h"

namespace kiln::symbolizer {

// DWARF 5, section 7.6. Bits beyond the 64th are dropped, as long as the number ends within 16 bytes.
[[nodiscard]] bool ReadUleb128(ByteReader& reader, uint64_t& out);
[[nodiscard]] bool ReadSleb128(ByteReader& reader, int64_t& out);

// Linux Standard Base Core 5.0, section 10.5.1: the low half is the format, the next three bits say what the number is
// relative to.
enum PointerEncoding : uint8_t {
  kPointerAbsolute = 0x00,  // as a format: 8 bytes
  kPointerUleb128 = 0x01,
  kPointerU16 = 0x02,
  kPointerU32 = 0x03,
  kPointerU64 = 0x04,
  kPointerSleb128 = 0x09,
  kPointerS16 = 0x0a,
  kPointerS32 = 0x0b,
  kPointerS64 = 0x0c,
  kPointerFormatMask = 0x0f,
  kPointerPcRelative = 0x10,
  kPointerTextRelative = 0x20,
  kPointerDataRelative = 0x30,
  kPointerAligned = 0x50,  // a format of its own; not read
  kPointerBaseMask = 0x70,
  kPointerIndirect = 0x80,
  kPointerOmitted = 0xff,
};

// What relative pointers are relative to. A base that is not known makes such pointers unreadable.
struct PointerBases {
  uint64_t pc = 0;  // address of byte 0 of the reader
  std::optional<uint64_t> text;
  std::optional<uint64_t> data;
};

// The number alone, by the format part of `encoding`; signed ones are extended. False also for a format that is
// unknown.
[[nodiscard]] bool ReadPointerValue(ByteReader& reader, uint8_t encoding, uint64_t& out);
// The address. False also for bases that are unknown or not given, for indirect and for aligned pointers.
[[nodiscard]] bool ReadPointer(ByteReader& reader, uint8_t encoding, const PointerBases& bases, uint64_t& out);

}  // namespace kiln::symbolizer
