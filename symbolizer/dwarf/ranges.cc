// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/ranges.h"

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

// Of one list. Functions have up to some hundred.
constexpr int kMaxRanges = 64 * 1024;

void Add(uint64_t start, uint64_t end, std::vector<AddressRange>& out) {
  if (start < end) out.push_back({.start = start, .end = end});
}

void ReadOldList(const UnitView& unit, uint64_t offset, uint64_t base, std::vector<AddressRange>& out) {
  const uint8_t width = unit.header.encoding.address_size;
  const uint64_t largest = width >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * width)) - 1;
  Cursor cursor(unit.sections->ranges, offset);
  for (int i = 0; i < kMaxRanges; ++i) {
    const uint64_t start = cursor.Unsigned(width);
    const uint64_t end = cursor.Unsigned(width);
    if (cursor.failed() || (start == 0 && end == 0)) return;
    if (start == largest) {
      base = end;
    } else {
      Add(base + start, base + end, out);
    }
  }
}

void ReadNewList(const UnitView& unit, uint64_t offset, uint64_t base, std::vector<AddressRange>& out) {
  const uint8_t width = unit.header.encoding.address_size;
  Cursor cursor(unit.sections->rnglists, offset);
  const auto indexed = [&] {
    const auto address = AddressAt(unit, cursor.Uleb());
    if (!address) cursor.Fail();
    return address.value_or(0);
  };
  for (int i = 0; i < kMaxRanges; ++i) {
    const uint8_t entry = cursor.U8();
    uint64_t start = 0;
    uint64_t end = 0;
    switch (entry) {
      case kRleBaseAddressx: base = indexed(); break;
      case kRleBaseAddress: base = cursor.Unsigned(width); break;
      case kRleStartxEndx:
        start = indexed();
        end = indexed();
        break;
      case kRleStartxLength:
        start = indexed();
        end = start + cursor.Uleb();
        break;
      case kRleOffsetPair:
        start = base + cursor.Uleb();
        end = base + cursor.Uleb();
        break;
      case kRleStartEnd:
        start = cursor.Unsigned(width);
        end = cursor.Unsigned(width);
        break;
      case kRleStartLength:
        start = cursor.Unsigned(width);
        end = start + cursor.Uleb();
        break;
      default: return;  // the end of the list, or unknown
    }
    if (cursor.failed()) return;
    Add(start, end, out);
  }
}

}  // namespace

void ReadRanges(const UnitView& unit, const Value& value, uint64_t low_pc, std::vector<AddressRange>& out) {
  const bool is_64 = unit.header.encoding.is_64;
  if (unit.header.encoding.version < 5) {
    if (value.is_number()) ReadOldList(unit, value.number + unit.bases.gnu_ranges, low_pc, out);
    return;
  }
  if (value.is_number()) return ReadNewList(unit, value.number, low_pc, out);
  if (value.kind != Value::Kind::kRangeIndex) return;
  // Split units name no base: their tables begin behind a header.
  const uint64_t base = unit.bases.rnglists != 0 ? unit.bases.rnglists : (is_64 ? 20 : 12);
  const uint64_t width = is_64 ? 8 : 4;
  const Bytes table = unit.sections->rnglists;
  if (base > table.size() || value.number >= (table.size() - base) / width) return;
  Cursor cursor(table, base + value.number * width);
  ReadNewList(unit, base + cursor.Offset(is_64), low_pc, out);
}

}  // namespace kiln::symbolizer::dwarf
