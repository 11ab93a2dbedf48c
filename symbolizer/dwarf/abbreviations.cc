// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/dwarf/abbreviations.h"

#include <optional>
#include <utility>

#include "symbolizer/dwarf/constants.h"

namespace kiln::symbolizer::dwarf {
namespace {

// Tables that are kept; beyond, all are forgotten. One has some 10 KiB.
constexpr size_t kMaxKeptTables = 256;
// Of the kept ones together, some 64 MiB: tables of a hostile file may overlap, each as long as the section.
constexpr size_t kMaxKeptMembers = 4 << 20;
// Of one table; beyond, it ends. The largest ones, shared by dwz, have some 100 000.
constexpr size_t kMaxMembers = 2 << 20;
// Of one abbreviation. Compilers reach some twenty; ones of no bytes would cost time for nothing in each entry.
constexpr uint32_t kMaxAttributes = 256;

// Bytes of a value; nullopt if that depends on the value.
std::optional<uint32_t> FixedSize(uint16_t form, const Encoding& encoding) {
  const uint32_t offset = encoding.is_64 ? 8 : 4;
  switch (form) {
    case kFormFlagPresent:
    case kFormImplicitConst: return 0;
    case kFormData1:
    case kFormRef1:
    case kFormFlag:
    case kFormStrx1:
    case kFormAddrx1: return 1;
    case kFormData2:
    case kFormRef2:
    case kFormStrx2:
    case kFormAddrx2: return 2;
    case kFormStrx3:
    case kFormAddrx3: return 3;
    case kFormData4:
    case kFormRef4:
    case kFormRefSup4:
    case kFormStrx4:
    case kFormAddrx4: return 4;
    case kFormData8:
    case kFormRef8:
    case kFormRefSig8:
    case kFormRefSup8: return 8;
    case kFormData16: return 16;
    case kFormAddr: return encoding.address_size;
    // DWARF 2 gave it the size of an address.
    case kFormRefAddr: return encoding.version == 2 ? encoding.address_size : offset;
    case kFormStrp:
    case kFormLineStrp:
    case kFormSecOffset:
    case kFormStrpSup:
    case kFormGnuRefAlt:
    case kFormGnuStrpAlt: return offset;
    default: return std::nullopt;
  }
}

}  // namespace

void SkipForm(Cursor& cursor, uint16_t form, const Encoding& encoding) {
  // As many as a chain of DW_FORM_indirect can have sensibly.
  for (int i = 0; i < 4; ++i) {
    if (const auto size = FixedSize(form, encoding)) return cursor.Skip(*size);
    switch (form) {
      case kFormString: cursor.String(); return;
      case kFormBlock1: return cursor.Skip(cursor.U8());
      case kFormBlock2: return cursor.Skip(cursor.U16());
      case kFormBlock4: return cursor.Skip(cursor.U32());
      case kFormBlock:
      case kFormExprloc: return cursor.Skip(cursor.Uleb());
      case kFormSdata:
      case kFormUdata:
      case kFormRefUdata:
      case kFormStrx:
      case kFormAddrx:
      case kFormLoclistx:
      case kFormRnglistx:
      case kFormGnuAddrIndex:
      case kFormGnuStrIndex: return cursor.SkipLeb();
      case kFormIndirect: form = static_cast<uint16_t>(cursor.Uleb()); continue;
      default: return cursor.Fail();
    }
  }
  cursor.Fail();
}

AbbreviationTable AbbreviationTable::Parse(Bytes section, uint64_t offset, const Encoding& encoding) {
  AbbreviationTable table;
  Cursor cursor(section, offset);
  while (const uint64_t code = cursor.Uleb()) {
    Abbreviation abbreviation{.tag = static_cast<uint16_t>(cursor.Uleb()),
                              .has_children = cursor.U8() != 0,
                              .fixed = true,
                              .first_attribute = static_cast<uint32_t>(table.attributes_.size())};
    while (!cursor.failed()) {
      if (abbreviation.attributes >= kMaxAttributes) {
        cursor.Fail();
        break;
      }
      const auto name = static_cast<uint16_t>(cursor.Uleb());
      const auto form = static_cast<uint16_t>(cursor.Uleb());
      const int64_t implicit = form == kFormImplicitConst ? cursor.Sleb() : 0;
      if (name == 0 && form == 0) break;
      table.attributes_.push_back({.name = name, .form = form, .implicit = implicit});
      const auto size = FixedSize(form, encoding);
      abbreviation.fixed = abbreviation.fixed && size.has_value();
      abbreviation.fixed_bytes += size.value_or(0);
      ++abbreviation.attributes;
    }
    if (cursor.failed() || table.members() >= kMaxMembers) break;
    if (code == table.dense_.size() + 1 && table.sparse_.empty()) {
      table.dense_.push_back(abbreviation);
    } else {
      table.sparse_.emplace(code, abbreviation);
    }
  }
  return table;
}

std::shared_ptr<const AbbreviationTable> AbbreviationCache::At(uint64_t offset, const Encoding& encoding) {
  const Key key{.offset = offset, .encoding = encoding};
  if (const auto found = tables_.find(key); found != tables_.end()) return found->second;
  auto table = std::make_shared<const AbbreviationTable>(AbbreviationTable::Parse(section_, offset, encoding));
  if (tables_.size() >= kMaxKeptTables || members_ + table->members() > kMaxKeptMembers) {
    tables_.clear();
    members_ = 0;
  }
  members_ += table->members();
  tables_.emplace(key, table);
  return table;
}

}  // namespace kiln::symbolizer::dwarf
