// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/enclosing_scopes.h"

#include <algorithm>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

constexpr size_t kMaxDepth = 4096;

bool NamesScope(uint16_t tag) {
  switch (tag) {
    case kTagNamespace:
    case kTagClassType:
    case kTagStructureType:
    case kTagUnionType:
    case kTagEnumerationType:
    case kTagInterfaceType:
    case kTagModule:
    case kTagSubprogram: return true;
    default: return false;
  }
}

// What stands for a scope without a name; "" if it adds nothing.
std::string_view NamelessScope(uint16_t tag) {
  switch (tag) {
    case kTagNamespace: return "(anonymous namespace)";
    case kTagClassType:
    case kTagStructureType: return "(anonymous class)";
    case kTagUnionType: return "(anonymous union)";
    default: return "";
  }
}

// The name of the entry at `offset`; "" if it has none.
std::string_view NameAt(const UnitView& unit, const AbbreviationTable& abbreviations, Bytes entries, uint64_t offset) {
  Cursor cursor(entries, offset);
  const Abbreviation* abbreviation = abbreviations.Find(cursor.Uleb());
  if (abbreviation == nullptr) return {};
  for (const AttributeForm& attribute : abbreviations.AttributesOf(*abbreviation)) {
    if (attribute.name == kAtName) return ReadValue(cursor, attribute, unit).text;
    SkipForm(cursor, attribute.form, unit.header.encoding);
  }
  return {};
}

}  // namespace

EnclosingScopes EnclosingScopes::Read(const UnitView& unit, const AbbreviationTable& abbreviations) {
  EnclosingScopes scopes;
  scopes.names_.emplace_back();
  size_t bytes = 0;
  const Bytes info = unit.sections->info;
  const Bytes entries = info.first(std::min<uint64_t>(unit.header.end, info.size()));
  Cursor cursor(entries, unit.header.entries);
  std::vector<uint32_t> stack{0};  // indices in names_, innermost last
  while (!cursor.AtEnd()) {
    const uint64_t entry = cursor.position();
    const uint64_t code = cursor.Uleb();
    if (code == 0) {
      if (stack.size() > 1) stack.pop_back();
      continue;
    }
    const Abbreviation* abbreviation = abbreviations.Find(code);
    if (abbreviation == nullptr || cursor.failed()) break;
    uint32_t scope = stack.back();
    if (abbreviation->tag == kTagSubprogram && scope != 0) scopes.scope_of_.emplace(entry, scope);
    if (!abbreviation->has_children || !NamesScope(abbreviation->tag)) {
      abbreviations.SkipAttributes(cursor, *abbreviation, unit.header.encoding);
    } else {
      std::string_view name;
      Value declaration;
      for (const AttributeForm& attribute : abbreviations.AttributesOf(*abbreviation)) {
        if (attribute.name == kAtName) {
          name = ReadValue(cursor, attribute, unit).text;
        } else if (attribute.name == kAtSpecification || attribute.name == kAtAbstractOrigin) {
          declaration = ReadValue(cursor, attribute, unit);
        } else {
          SkipForm(cursor, attribute.form, unit.header.encoding);
        }
      }
      // A function that was declared in its class stands outside of it.
      if (name.empty() && declaration.kind == Value::Kind::kReference && declaration.number < entry) {
        name = NameAt(unit, abbreviations, entries, declaration.number);
        if (const auto declared = scopes.scope_of_.find(declaration.number); declared != scopes.scope_of_.end()) {
          scope = declared->second;
        }
      }
      if (name.empty()) name = NamelessScope(abbreviation->tag);
      const std::string& outer = scopes.names_[scope];
      const size_t length = outer.size() + 2 + name.size();
      if (!name.empty() && length <= kMaxScopeNameBytes && scopes.names_.size() < kMaxScopeNames &&
          bytes + length <= kMaxAllScopeNameBytes) {
        std::string full = outer;
        if (!full.empty()) full += "::";
        full += name;
        bytes += full.size();
        scope = static_cast<uint32_t>(scopes.names_.size());
        scopes.names_.push_back(std::move(full));
      }
    }
    if (cursor.failed() || !abbreviation->has_children) continue;
    if (stack.size() >= kMaxDepth) break;
    stack.push_back(scope);
  }
  return scopes;
}

}  // namespace kiln::symbolizer::dwarf
