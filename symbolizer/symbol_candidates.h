// SPDX-License-Identifier: Apache-2.0
// The symbols of ELF files that may name code, one after the other as they stand in the files. Which of them count, and
// how far they reach, is decided in symbol_table.cc.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "symbolizer/dynamic_section.h"
#include "symbolizer/elf_file.h"

namespace kiln::symbolizer {

// A stretch of executable addresses: a section, or a segment where there are no sections.
struct CodeRegion {
  uint64_t start;
  uint64_t end;
};

struct SymbolCandidate {
  uint64_t start;
  uint64_t size;
  uint32_t name;  // in the string table first, in the pool later
  uint8_t rank;   // bits below; smaller is better

  static constexpr uint8_t kSizeless = 8;
  static constexpr uint8_t kUntyped = 4;
  static constexpr uint8_t kWeak = 1;
  static constexpr uint8_t kLocal = 2;
  static constexpr uint8_t kBindingMask = 3;

  bool Has(uint8_t bits) const { return (rank & bits) != 0; }
  // At most UINT64_MAX.
  uint64_t end() const { return start > UINT64_MAX - size ? UINT64_MAX : start + size; }
};

// Sorted by start; of the first of the files that has executable sections, else of the first that has executable
// segments.
std::vector<CodeRegion> CodeRegionsOf(std::span<const ElfFile* const> files);
// The one with `address`; nullptr if there is none.
const CodeRegion* CodeRegionAt(std::span<const CodeRegion> regions, uint64_t address);

// Where `elf` has the symbols of `type` (SHT_SYMTAB or SHT_DYNSYM); nullopt if it has none. .dynsym is found by
// PT_DYNAMIC in files without section headers. kDataLoss if it has no string table.
StatusOr<std::optional<SymbolSections>> FindSymbolSections(const ElfFile& elf, uint32_t type);

// Hands on the functions and the untyped symbols that are in one of the regions, in the order of the file. Names are
// offsets in the string table. Ends with the first error of `take`.
Status ReadSymbolCandidates(const ElfFile& elf, const ElfFile::Section& symbols, std::span<const CodeRegion> regions,
                            absl::FunctionRef<Status(const SymbolCandidate&)> take);

}  // namespace kiln::symbolizer
