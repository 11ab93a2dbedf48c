// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/unit.h"

#include <algorithm>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

// Units that are looked at: the largest programs have some 100 000.
constexpr size_t kMaxUnits = 4 << 20;

bool IsSplit(const UnitHeader& header) { return header.type == kUnitSplitCompile || header.type == kUnitSplitType; }

std::string_view IndexedString(const UnitView& unit, uint64_t index) {
  const uint64_t width = unit.header.encoding.is_64 ? 8 : 4;
  const Bytes table = unit.sections->str_offsets;
  if (unit.bases.str_offsets > table.size() || index >= (table.size() - unit.bases.str_offsets) / width) return {};
  Cursor cursor(table, unit.bases.str_offsets + index * width);
  return StringAt(unit.sections->str, cursor.Offset(unit.header.encoding.is_64));
}

Value Number(uint64_t number) { return {.kind = Value::Kind::kNumber, .number = number}; }
Value Text(std::string_view text) { return {.kind = Value::Kind::kText, .text = text}; }
Value Reference(uint64_t offset) { return {.kind = Value::Kind::kReference, .number = offset}; }
Value Indexed(const UnitView& unit, uint64_t index) {
  const auto address = AddressAt(unit, index);
  return address ? Value{.kind = Value::Kind::kAddress, .number = *address} : Value{};
}

// Where the first table of .debug_str_offsets begins, for split units, which name no base: DWARF 5 gives the table a
// header, in each of a package's contributions.
uint64_t DefaultStrOffsetsBase(const UnitHeader& header) {
  if (!IsSplit(header) || header.encoding.version < 5) return 0;
  return header.encoding.is_64 ? 16 : 8;
}

}  // namespace

std::vector<UnitHeader> ReadUnitHeaders(Bytes section) {
  std::vector<UnitHeader> units;
  for (uint64_t at = 0; at < section.size() && units.size() < kMaxUnits;) {
    Cursor cursor(section, at);
    UnitHeader unit{.offset = at};
    uint64_t length = cursor.U32();
    if (length == 0xffffffff) {
      unit.encoding.is_64 = true;
      length = cursor.U64();
    }
    if (cursor.failed() || length > cursor.remaining()) break;
    at = unit.end = cursor.position() + length;
    unit.encoding.version = cursor.U16();
    unit.type = kUnitCompile;
    if (unit.encoding.version >= 5) {
      unit.type = cursor.U8();
      unit.encoding.address_size = cursor.U8();
      unit.abbreviations = cursor.Offset(unit.encoding.is_64);
      if (unit.type == kUnitSkeleton || unit.type == kUnitSplitCompile) unit.dwo_id = cursor.U64();
      if (unit.type == kUnitType || unit.type == kUnitSplitType) {
        cursor.Skip(8);
        cursor.Offset(unit.encoding.is_64);
      }
    } else {
      unit.abbreviations = cursor.Offset(unit.encoding.is_64);
      unit.encoding.address_size = cursor.U8();
    }
    unit.entries = cursor.position();
    const bool known = unit.encoding.version >= 2 && unit.encoding.version <= 5 && unit.encoding.address_size >= 1 &&
                       unit.encoding.address_size <= 8;
    if (!cursor.failed() && known && unit.entries <= unit.end) units.push_back(unit);
  }
  return units;
}

const UnitHeader* FindUnit(const std::vector<UnitHeader>& units, uint64_t offset) {
  const auto after = std::ranges::upper_bound(units, offset, {}, &UnitHeader::offset);
  if (after == units.begin()) return nullptr;
  const UnitHeader& unit = *std::prev(after);
  return unit.Contains(offset) ? &unit : nullptr;
}

std::optional<uint64_t> AddressAt(const UnitView& unit, uint64_t index) {
  const uint64_t width = unit.header.encoding.address_size;
  // Line programs have a size of their own, which may be anything.
  if (width == 0) return std::nullopt;
  if (unit.bases.addr > unit.addresses.size() || index >= (unit.addresses.size() - unit.bases.addr) / width) {
    return std::nullopt;
  }
  Cursor cursor(unit.addresses, unit.bases.addr + index * width);
  const uint64_t address = cursor.Unsigned(static_cast<uint8_t>(width));
  return cursor.failed() ? std::nullopt : std::optional(address);
}

Value ReadValue(Cursor& cursor, const AttributeForm& attribute, const UnitView& unit) {
  const Encoding& encoding = unit.header.encoding;
  const uint64_t start = unit.header.offset;
  uint16_t form = attribute.form;
  for (int i = 0; i < 4 && form == kFormIndirect; ++i) form = static_cast<uint16_t>(cursor.Uleb());
  switch (form) {
    case kFormAddr: return {.kind = Value::Kind::kAddress, .number = cursor.Unsigned(encoding.address_size)};
    case kFormFlag:
    case kFormData1: return Number(cursor.U8());
    case kFormData2: return Number(cursor.U16());
    case kFormData4: return Number(cursor.U32());
    case kFormData8: return Number(cursor.U64());
    case kFormUdata: return Number(cursor.Uleb());
    case kFormSdata: return {.kind = Value::Kind::kSigned, .number = static_cast<uint64_t>(cursor.Sleb())};
    case kFormImplicitConst: return {.kind = Value::Kind::kSigned, .number = static_cast<uint64_t>(attribute.implicit)};
    case kFormFlagPresent: return Number(1);
    case kFormSecOffset: return Number(cursor.Offset(encoding.is_64));
    case kFormString: return Text(cursor.String());
    case kFormStrp: return Text(StringAt(unit.sections->str, cursor.Offset(encoding.is_64)));
    case kFormLineStrp: return Text(StringAt(unit.sections->line_str, cursor.Offset(encoding.is_64)));
    case kFormStrx:
    case kFormGnuStrIndex: return Text(IndexedString(unit, cursor.Uleb()));
    case kFormStrx1: return Text(IndexedString(unit, cursor.U8()));
    case kFormStrx2: return Text(IndexedString(unit, cursor.U16()));
    case kFormStrx3: return Text(IndexedString(unit, cursor.U24()));
    case kFormStrx4: return Text(IndexedString(unit, cursor.U32()));
    case kFormGnuStrpAlt:
    case kFormStrpSup: {
      const uint64_t offset = cursor.Offset(encoding.is_64);
      return unit.supplementary == nullptr ? Value{} : Text(StringAt(unit.supplementary->str, offset));
    }
    case kFormAddrx:
    case kFormGnuAddrIndex: return Indexed(unit, cursor.Uleb());
    case kFormAddrx1: return Indexed(unit, cursor.U8());
    case kFormAddrx2: return Indexed(unit, cursor.U16());
    case kFormAddrx3: return Indexed(unit, cursor.U24());
    case kFormAddrx4: return Indexed(unit, cursor.U32());
    case kFormRef1: return Reference(start + cursor.U8());
    case kFormRef2: return Reference(start + cursor.U16());
    case kFormRef4: return Reference(start + cursor.U32());
    case kFormRef8: return Reference(start + cursor.U64());
    case kFormRefUdata: return Reference(start + cursor.Uleb());
    case kFormRefAddr:
      return Reference(encoding.version == 2 ? cursor.Unsigned(encoding.address_size) : cursor.Offset(encoding.is_64));
    case kFormGnuRefAlt: return {.kind = Value::Kind::kSupplementary, .number = cursor.Offset(encoding.is_64)};
    case kFormRefSup4: return {.kind = Value::Kind::kSupplementary, .number = cursor.U32()};
    case kFormRefSup8: return {.kind = Value::Kind::kSupplementary, .number = cursor.U64()};
    case kFormRnglistx: return {.kind = Value::Kind::kRangeIndex, .number = cursor.Uleb()};
    default: SkipForm(cursor, form, encoding); return {};
  }
}

UnitEntry ReadUnitEntry(UnitView& unit, const AbbreviationTable& abbreviations) {
  UnitEntry entry;
  unit.bases.str_offsets = DefaultStrOffsetsBase(unit.header);
  Cursor cursor(unit.sections->info.first(std::min<uint64_t>(unit.header.end, unit.sections->info.size())),
                unit.header.entries);
  const Abbreviation* abbreviation = abbreviations.Find(cursor.Uleb());
  if (abbreviation == nullptr) return entry;
  entry.tag = abbreviation->tag;
  const auto attributes = abbreviations.AttributesOf(*abbreviation);
  const uint64_t first = cursor.position();
  // Bases first: values before them may need them.
  for (const AttributeForm& attribute : attributes) {
    const Value value = ReadValue(cursor, attribute, unit);
    switch (attribute.name) {
      case kAtStrOffsetsBase: unit.bases.str_offsets = value.number; break;
      case kAtAddrBase:
      case kAtGnuAddrBase: unit.bases.addr = value.number; break;
      case kAtRnglistsBase: unit.bases.rnglists = value.number; break;
      default: break;
    }
  }
  cursor.Seek(first);
  for (const AttributeForm& attribute : attributes) {
    const Value value = ReadValue(cursor, attribute, unit);
    switch (attribute.name) {
      case kAtName: entry.name = value.text; break;
      case kAtLanguage: entry.language = static_cast<uint16_t>(value.number); break;
      case kAtCompDir: entry.comp_dir = value.text; break;
      case kAtDwoName:
      case kAtGnuDwoName: entry.dwo_name = value.text; break;
      case kAtGnuDwoId: entry.dwo_id = value.number; break;
      case kAtGnuRangesBase: entry.gnu_ranges_base = value.number; break;
      case kAtLowPc: entry.low_pc = value.kind == Value::Kind::kAddress ? value.number : 0; break;
      case kAtStmtList:
        if (value.is_number()) entry.line_program = value.number;
        break;
      default: break;
    }
  }
  return entry;
}

}  // namespace kiln::symbolizer::dwarf
