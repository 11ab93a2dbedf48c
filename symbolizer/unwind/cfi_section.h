// SPDX-License-Identifier: Apache-2.0
// The entries of .eh_frame or .debug_frame: CIEs (what is common to many functions) and FDEs (one stretch of code
// each). Where code is and how to unwind it is a program of call frame instructions, which cfi_program.h runs.
//
// Format: DWARF 5 section 6.4.1; .eh_frame: Linux Standard Base Core 5.0 section 10.6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "symbolizer/unwind/dwarf_reader.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

struct Cie {
  uint64_t code_alignment = 1;
  int64_t data_alignment = 1;
  uint64_t return_column = 0;  // DWARF number of the register that holds the return address
  uint8_t pointer_encoding = kPointerAbsolute;
  bool has_augmentation_length = false;  // 'z': FDEs say how long their augmentation is
  bool signal_frame = false;             // 'S'
  std::span<const std::byte> instructions;
};

struct Fde {
  uint64_t cie_offset;  // in the section
  uint64_t begin;       // ELF address
  uint64_t size;        // bytes of code, > 0; begin + size doesn't overflow
  std::span<const std::byte> instructions;
};

// An entry before it is looked into.
struct CfiEntry {
  uint64_t offset;  // of its length
  uint64_t end;     // offset behind it
  bool is_cie;
  bool wide;            // 64-bit DWARF
  uint64_t cie_offset;  // of an FDE
  uint64_t body;        // offset behind the CIE pointer
};

// Thread-compatible. Spans point into the bytes that it owns.
class CfiSection {
 public:
  enum class Kind { kEhFrame, kDebugFrame };

  // `address`: of byte 0 of the section, for pc-relative pointers. `bases.pc` is not used.
  CfiSection(Kind kind, std::vector<std::byte> bytes, ElfAddress address, const PointerBases& bases)
      : kind_(kind), bytes_(std::move(bytes)), address_(address), bases_(bases) {}

  size_t size() const { return bytes_.size(); }
  ElfAddress address() const { return address_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  const PointerBases& bases() const { return bases_; }

  // The entry at an offset; nullopt if there is none that lies within the section, also at the end mark of .eh_frame.
  std::optional<CfiEntry> EntryAt(uint64_t offset) const;
  // True if EntryAt failed at `offset` because the entries end there as they should.
  bool EndsAt(uint64_t offset) const;

  // nullopt counts the reason.
  std::optional<Cie> ReadCie(const CfiEntry& entry, UnwindCounts& counts) const;
  // The instructions lie in the section. nullopt counts the reason.
  std::optional<Fde> ReadFde(const CfiEntry& entry, const Cie& cie, UnwindCounts& counts) const;

 private:
  // A reader of [begin, end), and the bases for pointers that it reads.
  ByteReader Reader(uint64_t begin, uint64_t end) const { return ByteReader(bytes().subspan(begin, end - begin)); }
  PointerBases BasesAt(uint64_t begin) const {
    return {.pc = address_.value() + begin, .text = bases_.text, .data = bases_.data};
  }

  Kind kind_;
  std::vector<std::byte> bytes_;
  ElfAddress address_;
  PointerBases bases_;
};

}  // namespace kiln::symbolizer
