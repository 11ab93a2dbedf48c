// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/info_file.h"

#include <algorithm>
#include <optional>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

// From a concrete instance to its abstract one, to the definition, to the declaration in the class: three. A circle
// ends here.
constexpr int kMaxSteps = 8;
constexpr size_t kMaxReferredUnits = 4096;
// Units whose scopes are kept: those in work, and those that others refer to.
constexpr size_t kMaxScopedUnits = 4;

bool HasScopes(uint16_t language) {
  switch (language) {
    case kLangC89:
    case kLangC:
    case kLangC99:
    case kLangC11:
    case kLangGo:
    case kLangMipsAssembler: return false;
    default: return true;
  }
}

}  // namespace

struct InfoFile::Step {
  std::string_view name;
  std::string_view linkage_name;
  uint32_t decl_line = 0;
  Value next;
};

InfoFile::InfoFile(const Sections& sections, InfoFile* supplementary, Bytes addresses)
    : sections_(sections),
      supplementary_(supplementary),
      addresses_(addresses),
      units_(ReadUnitHeaders(sections.info)),
      abbreviations_(sections.abbrev) {}

OpenUnit InfoFile::Open(const UnitHeader& header, uint64_t addr_base, uint64_t gnu_ranges_base) {
  OpenUnit unit{.view = {.sections = &sections_,
                         .supplementary = supplementary_ == nullptr ? nullptr : &supplementary_->sections_,
                         .addresses = addresses_,
                         .header = header,
                         .bases = {.addr = addr_base, .gnu_ranges = gnu_ranges_base}},
                .entry = {},
                .abbreviations = abbreviations_.At(header.abbreviations, header.encoding)};
  unit.entry = ReadUnitEntry(unit.view, *unit.abbreviations);
  return unit;
}

const OpenUnit* InfoFile::UnitAt(uint64_t entry) {
  const UnitHeader* header = FindUnit(units_, entry);
  if (header == nullptr) return nullptr;
  if (referred_.size() >= kMaxReferredUnits && !referred_.contains(header->offset)) referred_.clear();
  std::unique_ptr<OpenUnit>& unit = referred_[header->offset];
  if (unit == nullptr) unit = std::make_unique<OpenUnit>(Open(*header));
  return unit.get();
}

InfoFile::Step InfoFile::ReadStep(const OpenUnit& unit, uint64_t entry) {
  Step step;
  const Bytes info = unit.view.sections->info;
  Cursor cursor(info.first(std::min<uint64_t>(unit.view.header.end, info.size())), entry);
  const Abbreviation* abbreviation = unit.abbreviations->Find(cursor.Uleb());
  if (abbreviation == nullptr) return step;
  Value specification;
  for (const AttributeForm& attribute : unit.abbreviations->AttributesOf(*abbreviation)) {
    switch (attribute.name) {
      case kAtName: step.name = ReadValue(cursor, attribute, unit.view).text; break;
      case kAtLinkageName:
      case kAtMipsLinkageName: step.linkage_name = ReadValue(cursor, attribute, unit.view).text; break;
      case kAtDeclLine: {
        const Value value = ReadValue(cursor, attribute, unit.view);
        step.decl_line = value.is_number() && value.number <= UINT32_MAX ? static_cast<uint32_t>(value.number) : 0;
        break;
      }
      case kAtAbstractOrigin: step.next = ReadValue(cursor, attribute, unit.view); break;
      case kAtSpecification: specification = ReadValue(cursor, attribute, unit.view); break;
      default: SkipForm(cursor, attribute.form, unit.view.header.encoding); break;
    }
  }
  if (step.next.kind == Value::Kind::kNone) step.next = specification;
  return step;
}

std::string_view InfoFile::ScopeOf(const OpenUnit& unit, uint64_t entry) {
  if (!HasScopes(unit.entry.language)) return {};
  const uint64_t key = unit.view.header.offset;
  if (scopes_.size() >= kMaxScopedUnits && !scopes_.contains(key)) scopes_.clear();
  std::unique_ptr<EnclosingScopes>& scopes = scopes_[key];
  if (scopes == nullptr) {
    scopes = std::make_unique<EnclosingScopes>(EnclosingScopes::Read(unit.view, *unit.abbreviations));
  }
  return scopes->Of(entry);
}

FunctionName InfoFile::NameOf(const OpenUnit& first, uint64_t entry) {
  FunctionName name;
  InfoFile* file = this;
  // Inlined functions of link time optimisation, and of dwz, are mostly those of other units.
  const OpenUnit* unit = first.view.header.Contains(entry) ? &first : UnitAt(entry);
  std::string_view scope;
  for (int i = 0; i < kMaxSteps && unit != nullptr; ++i) {
    const Step step = ReadStep(*unit, entry);
    if (name.decl_line == 0) name.decl_line = step.decl_line;
    if (name.plain.empty()) name.plain = step.name;
    if (!step.linkage_name.empty()) {
      name.text = step.linkage_name;
      name.is_linkage = true;
      return name;
    }
    const bool last = step.next.kind != Value::Kind::kReference && step.next.kind != Value::Kind::kSupplementary;
    // The declaration, where there is one, stands in the class.
    if (last) scope = file->ScopeOf(*unit, entry);
    if (last) break;
    if (step.next.kind == Value::Kind::kSupplementary) file = file->supplementary_;
    if (file == nullptr) break;
    entry = step.next.number;
    unit = file == this && first.view.header.Contains(entry) ? &first : file->UnitAt(entry);
  }
  if (!scope.empty() && !name.plain.empty()) name.text.append(scope).append("::");
  name.text.append(name.plain);
  return name;
}

}  // namespace kiln::symbolizer::dwarf
