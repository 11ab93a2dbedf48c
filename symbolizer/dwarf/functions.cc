// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/functions.h"

#include <algorithm>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

// Entries within each other. Compilers reach some dozen.
constexpr size_t kMaxDepth = 4096;

class Reader {
 public:
  Reader(const UnitView& unit, const AbbreviationTable& abbreviations, uint64_t low_pc)
      : unit_(unit), abbreviations_(abbreviations), low_pc_(low_pc) {}

  Functions Read() && {
    const Bytes info = unit_.sections->info;
    Cursor cursor(info.first(std::min<uint64_t>(unit_.header.end, info.size())), unit_.header.entries);
    // What the entries at this depth belong to, the innermost last.
    std::vector<uint32_t> owners{kNoScope};
    while (!cursor.AtEnd()) {
      const uint64_t entry = cursor.position();
      const uint64_t code = cursor.Uleb();
      if (code == 0) {
        if (owners.size() > 1) owners.pop_back();
        continue;
      }
      const Abbreviation* abbreviation = abbreviations_.Find(code);
      if (abbreviation == nullptr || cursor.failed()) return Damaged();
      uint32_t owner = owners.back();
      if (abbreviation->tag == kTagSubprogram) {
        owner = ReadScope(cursor, *abbreviation, entry, kNoScope, kNoScope);
      } else if (abbreviation->tag == kTagInlinedSubroutine) {
        owner = ReadScope(cursor, *abbreviation, entry, owner, owner);
      } else {
        abbreviations_.SkipAttributes(cursor, *abbreviation, unit_.header.encoding);
      }
      if (cursor.failed() || result_.scopes.size() >= kMaxScopes || result_.ranges.size() >= kMaxScopeRanges) {
        return Damaged();
      }
      if (!abbreviation->has_children) continue;
      if (owners.size() >= kMaxDepth) return Damaged();
      owners.push_back(owner);
    }
    return std::move(result_);
  }

 private:
  Functions Damaged() {
    result_.damaged = true;
    return std::move(result_);
  }

  // Returns the new scope, or `otherwise` if the entry has no code.
  uint32_t ReadScope(Cursor& cursor, const Abbreviation& abbreviation, uint64_t entry, uint32_t parent,
                     uint32_t otherwise) {
    Scope scope{.entry = entry, .origin = entry, .parent = parent};
    uint64_t low = 0;
    Value high;
    Value ranges;
    bool has_low = false;
    const auto number = [](const Value& value) {
      return value.is_number() && value.number <= UINT32_MAX ? static_cast<uint32_t>(value.number) : 0;
    };
    for (const AttributeForm& attribute : abbreviations_.AttributesOf(abbreviation)) {
      switch (attribute.name) {
        case kAtLowPc: {
          const Value value = ReadValue(cursor, attribute, unit_);
          has_low = value.kind == Value::Kind::kAddress;
          low = value.number;
          break;
        }
        case kAtHighPc: high = ReadValue(cursor, attribute, unit_); break;
        case kAtRanges: ranges = ReadValue(cursor, attribute, unit_); break;
        case kAtCallFile: {
          const Value value = ReadValue(cursor, attribute, unit_);
          scope.has_call_file = value.is_number();
          scope.call_file = number(value);
          break;
        }
        // The name stands there, and what refers to it is equal for all calls of one function.
        case kAtAbstractOrigin: {
          const Value value = ReadValue(cursor, attribute, unit_);
          if (value.kind != Value::Kind::kReference) break;
          scope.origin = value.number;
          if (abbreviation.tag == kTagInlinedSubroutine) scope.entry = value.number;
          break;
        }
        case kAtCallLine: scope.call_line = number(ReadValue(cursor, attribute, unit_)); break;
        case kAtCallColumn: {
          const uint32_t column = number(ReadValue(cursor, attribute, unit_));
          scope.call_column = static_cast<uint16_t>(column <= UINT16_MAX ? column : 0);
          break;
        }
        default: SkipForm(cursor, attribute.form, unit_.header.encoding); break;
      }
    }
    if (cursor.failed()) return otherwise;
    const size_t first = result_.ranges.size();
    if (ranges.kind != Value::Kind::kNone) {
      ReadRanges(unit_, ranges, low_pc_, result_.ranges);
    } else if (has_low && high.kind != Value::Kind::kNone) {
      // A constant is the length (DWARF 4 on), an address the end.
      const uint64_t end = high.kind == Value::Kind::kAddress ? high.number : low + high.number;
      if (low < end) result_.ranges.push_back({.start = low, .end = end});
    }
    if (result_.ranges.size() == first) return otherwise;
    scope.first_range = static_cast<uint32_t>(first);
    scope.ranges = static_cast<uint32_t>(result_.ranges.size() - first);
    result_.scopes.push_back(scope);
    return static_cast<uint32_t>(result_.scopes.size() - 1);
  }

  const UnitView& unit_;
  const AbbreviationTable& abbreviations_;
  const uint64_t low_pc_;
  Functions result_;
};

}  // namespace

Functions ReadFunctions(const UnitView& unit, const AbbreviationTable& abbreviations, uint64_t low_pc) {
  return Reader(unit, abbreviations, low_pc).Read();
}

}  // namespace kiln::symbolizer::dwarf
