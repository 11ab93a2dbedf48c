// SPDX-License-Identifier: Apache-2.0
// Abbreviation tables (DWARF 5, section 7.5.3): what attributes a debugging information entry has, and in which form.
// Nine entries of ten are passed over, so each abbreviation knows how: as steps that join neighbouring forms of fixed
// size.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "symbolizer/dwarf/cursor.h"

namespace kiln::symbolizer::dwarf {

// What the sizes of forms depend on.
struct Encoding {
  uint16_t version = 0;
  uint8_t address_size = 0;
  bool is_64 = false;  // the 64-bit format of DWARF, not of the machine
  friend bool operator==(const Encoding&, const Encoding&) = default;
};

struct AttributeForm {
  uint16_t name;
  uint16_t form;
  int64_t implicit;  // the value, for kFormImplicitConst
};

struct Abbreviation {
  uint16_t tag = 0;
  bool has_children = false;
  bool fixed = false;  // the attributes have `fixed_bytes` in all
  uint32_t fixed_bytes = 0;
  uint32_t first_attribute = 0;
  uint32_t attributes = 0;
};

// Passes over one value. Unknown forms fail the cursor.
void SkipForm(Cursor& cursor, uint16_t form, const Encoding& encoding);

class AbbreviationTable {
 public:
  // The table at `offset` of .debug_abbrev; what is damaged ends it.
  static AbbreviationTable Parse(Bytes section, uint64_t offset, const Encoding& encoding);

  // nullptr for a code that is not in the table. 0 is none.
  const Abbreviation* Find(uint64_t code) const {
    if (code - 1 < dense_.size()) return &dense_[code - 1];
    if (sparse_.empty()) return nullptr;
    const auto found = sparse_.find(code);
    return found == sparse_.end() ? nullptr : &found->second;
  }
  std::span<const AttributeForm> AttributesOf(const Abbreviation& abbreviation) const {
    return std::span(attributes_).subspan(abbreviation.first_attribute, abbreviation.attributes);
  }
  void SkipAttributes(Cursor& cursor, const Abbreviation& abbreviation, const Encoding& encoding) const {
    if (abbreviation.fixed) return cursor.Skip(abbreviation.fixed_bytes);
    for (const AttributeForm& attribute : AttributesOf(abbreviation)) SkipForm(cursor, attribute.form, encoding);
  }
  // What the table's memory grows with: abbreviations and attributes.
  size_t members() const { return dense_.size() + sparse_.size() + attributes_.size(); }

 private:
  std::vector<Abbreviation> dense_;  // code - 1
  absl::flat_hash_map<uint64_t, Abbreviation> sparse_;
  std::vector<AttributeForm> attributes_;
};

// Tables by their offset. Compilers give each unit its own, linkers and dwz share them. Thread-compatible.
class AbbreviationCache {
 public:
  explicit AbbreviationCache(Bytes section) : section_(section) {}
  std::shared_ptr<const AbbreviationTable> At(uint64_t offset, const Encoding& encoding);

 private:
  struct Key {
    uint64_t offset;
    Encoding encoding;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.offset, key.encoding.version, key.encoding.address_size,
                        key.encoding.is_64);
    }
  };
  Bytes section_;
  absl::flat_hash_map<Key, std::shared_ptr<const AbbreviationTable>> tables_;
  size_t members_ = 0;  // of all of them
};

}  // namespace kiln::symbolizer::dwarf
