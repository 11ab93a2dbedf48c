// SPDX-License-Identifier: Apache-2.0
// The units of .debug_info (DWARF 5, section 7.5.1), and the values of attributes, which depend on the unit that they
// stand in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "symbolizer/dwarf/abbreviations.h"
#include "symbolizer/dwarf/cursor.h"
#include "symbolizer/dwarf/sections.h"

namespace kiln::symbolizer::dwarf {

struct UnitHeader {
  uint64_t offset = 0;  // in its section
  uint64_t end = 0;
  uint64_t entries = 0;  // where the first entry begins
  uint64_t abbreviations = 0;
  uint64_t dwo_id = 0;  // of DWARF 5's skeleton and split units
  Encoding encoding;
  uint8_t type = 0;  // UnitType; DWARF 4 and before: kUnitCompile
  bool Contains(uint64_t offset_of_entry) const { return offset_of_entry >= entries && offset_of_entry < end; }
};

// In ascending order. What is damaged ends the list; units of unknown versions are left out. The address size is 1
// to 8.
std::vector<UnitHeader> ReadUnitHeaders(Bytes section);
// The unit that has `offset`; nullptr if none has.
const UnitHeader* FindUnit(const std::vector<UnitHeader>& units, uint64_t offset);

// Where the tables of a unit begin that its attributes count from.
struct UnitBases {
  uint64_t str_offsets = 0;
  uint64_t addr = 0;
  uint64_t rnglists = 0;
  uint64_t gnu_ranges = 0;  // added to DW_AT_ranges in split units before DWARF 5
};

// What a value is read in the sight of.
struct UnitView {
  const Sections* sections = nullptr;
  const Sections* supplementary = nullptr;  // dwz's common file; nullptr = none
  Bytes addresses;                          // .debug_addr: for split units that of the skeleton's file
  UnitHeader header;
  UnitBases bases;
};

// One value. Which member counts depends on the form.
struct Value {
  enum class Kind : uint8_t {
    kNone,           // of a form that is of no interest, or damaged
    kNumber,         // constants, flags, offsets into other sections
    kSigned,         // `number` is an int64_t
    kAddress,        // number
    kText,           // text
    kReference,      // number: offset in the unit's own section
    kSupplementary,  // number: offset in .debug_info of the supplementary file
    kRangeIndex,     // number: DW_FORM_rnglistx
  };
  Kind kind = Kind::kNone;
  uint64_t number = 0;
  std::string_view text = {};
  bool is_number() const { return kind == Kind::kNumber || kind == Kind::kSigned; }
};

// Reads one value and moves behind it.
Value ReadValue(Cursor& cursor, const AttributeForm& attribute, const UnitView& unit);

// An entry of .debug_addr; nullopt if it is not there.
std::optional<uint64_t> AddressAt(const UnitView& unit, uint64_t index);

// The attributes of a unit's first entry.
struct UnitEntry {
  uint16_t tag = 0;
  uint16_t language = 0;
  std::string_view name;
  std::string_view comp_dir;
  std::string_view dwo_name;
  std::optional<uint64_t> dwo_id;  // DWARF 4
  std::optional<uint64_t> line_program;
  uint64_t low_pc = 0;
  uint64_t gnu_ranges_base = 0;  // of a skeleton, for its split unit
};
// Fills the bases of `unit` along. Damage leaves members at their defaults.
UnitEntry ReadUnitEntry(UnitView& unit, const AbbreviationTable& abbreviations);

}  // namespace kiln::symbolizer::dwarf
