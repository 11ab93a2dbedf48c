// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/dwarf_reader.h"

namespace kiln::symbolizer {
namespace {

// Assemblers pad numbers with bytes that add nothing, though hardly beyond 10.
constexpr int kMaxLebBytes = 16;

template <typename T>
bool ReadAs(ByteReader& reader, uint64_t& out) {
  T value;
  if (!reader.Read(value)) return false;
  out = static_cast<uint64_t>(static_cast<int64_t>(value));
  return true;
}

// The value's bits, and the first bit position behind them.
bool ReadLeb(ByteReader& reader, uint64_t& out, int& shift, uint8_t& last) {
  uint64_t value = 0;
  shift = 0;
  for (int i = 0; i < kMaxLebBytes; ++i) {
    if (!reader.Read(last)) return false;
    if (shift < 64) value |= static_cast<uint64_t>(last & 0x7f) << shift;
    shift += 7;
    if ((last & 0x80) == 0) {
      out = value;
      return true;
    }
  }
  return false;
}

}  // namespace

bool ReadUleb128(ByteReader& reader, uint64_t& out) {
  int shift = 0;
  uint8_t last = 0;
  return ReadLeb(reader, out, shift, last);
}

bool ReadSleb128(ByteReader& reader, int64_t& out) {
  uint64_t value = 0;
  int shift = 0;
  uint8_t last = 0;
  if (!ReadLeb(reader, value, shift, last)) return false;
  if (shift < 64 && (last & 0x40) != 0) value |= ~uint64_t{0} << shift;
  out = static_cast<int64_t>(value);
  return true;
}

bool ReadPointerValue(ByteReader& reader, uint8_t encoding, uint64_t& out) {
  switch (encoding & kPointerFormatMask) {
    case kPointerAbsolute:
    case kPointerU64:
    case kPointerS64: return reader.Read(out);
    case kPointerU16: return ReadAs<uint16_t>(reader, out);
    case kPointerU32: return ReadAs<uint32_t>(reader, out);
    case kPointerS16: return ReadAs<int16_t>(reader, out);
    case kPointerS32: return ReadAs<int32_t>(reader, out);
    case kPointerUleb128: return ReadUleb128(reader, out);
    case kPointerSleb128: {
      int64_t value = 0;
      if (!ReadSleb128(reader, value)) return false;
      out = static_cast<uint64_t>(value);
      return true;
    }
    default: return false;
  }
}

bool ReadPointer(ByteReader& reader, uint8_t encoding, const PointerBases& bases, uint64_t& out) {
  if ((encoding & kPointerIndirect) != 0) return false;
  uint64_t base = 0;
  switch (encoding & kPointerBaseMask) {
    case kPointerAbsolute: break;
    case kPointerPcRelative: base = bases.pc + reader.position(); break;
    case kPointerTextRelative:
      if (!bases.text) return false;
      base = *bases.text;
      break;
    case kPointerDataRelative:
      if (!bases.data) return false;
      base = *bases.data;
      break;
    default: return false;
  }
  if (!ReadPointerValue(reader, encoding, out)) return false;
  out += base;
  return true;
}

}  // namespace kiln::symbolizer
