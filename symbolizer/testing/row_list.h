// SPDX-License-Identifier: Apache-2.0
// Rows and rules in tests: a sink that remembers, rules by a few words, sources from assembled sections.
#pragma once

#include <elf.h>

#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "symbolizer/testing/cfi_builder.h"
#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/unwind/cfi_rows.h"
#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer::testing {

struct RowList final : RowSink {
  std::map<uint64_t, kiln_rule> rows;
  void Add(ElfAddress address, const kiln_rule& rule) override { rows[address.value()] = rule; }
};

// x86-64: CFA = `reg` + `offset`, return address at CFA - 8, RBP at CFA + fp_offset, unchanged if that is 0.
inline kiln_rule X86Rule(uint8_t reg, int32_t offset, int32_t fp_offset = 0) {
  return {.cfa_kind = KILN_CFA_REGISTER,
          .cfa_register = reg,
          .fp_kind = static_cast<__u8>(fp_offset == 0 ? KILN_VALUE_SAME : KILN_VALUE_AT_CFA),
          .ra_kind = KILN_VALUE_AT_CFA,
          .cfa_offset = offset,
          .fp_offset = fp_offset,
          .ra_offset = -8};
}
// arm64: CFA = `reg` + `offset`; FP and LR at CFA + the offsets, unchanged if 0.
inline kiln_rule Arm64Rule(uint8_t reg, int32_t offset, int32_t fp_offset = 0, int32_t lr_offset = 0) {
  const auto kind = [](int32_t saved) { return static_cast<__u8>(saved == 0 ? KILN_VALUE_SAME : KILN_VALUE_AT_CFA); };
  return {.cfa_kind = KILN_CFA_REGISTER,
          .cfa_register = reg,
          .fp_kind = kind(fp_offset),
          .ra_kind = kind(lr_offset),
          .cfa_offset = offset,
          .fp_offset = fp_offset,
          .ra_offset = lr_offset};
}

// Rows from the section that `builder` has made.
class TestCfi {
 public:
  explicit TestCfi(const CfiBuilder& builder, uint16_t machine = EM_X86_64) : code_(*ElfBuilder().Open()) {
    const auto bytes = AsBytes(builder.bytes());
    auto section = std::make_unique<CfiSection>(
        builder.eh_frame ? CfiSection::Kind::kEhFrame : CfiSection::Kind::kDebugFrame,
        std::vector<std::byte>(bytes.begin(), bytes.end()), ElfAddress(builder.address()), PointerBases{});
    FdeIndex index;
    index.Scan(*section, counts_);
    rows_.emplace(*FindUnwindMachine(machine), code_, std::move(section), std::move(index), counts_);
  }
  TestCfi(const TestCfi&) = delete;
  TestCfi& operator=(const TestCfi&) = delete;

  CfiRows& rows() { return *rows_; }
  const UnwindCounts& counts() const { return counts_; }
  // Of the extent that holds `address`; empty if there is none.
  std::map<uint64_t, kiln_rule> RowsAt(uint64_t address) {
    RowList list;
    const std::optional<CodeExtent> extent = rows_->Next(ElfAddress(address));
    if (extent && extent->begin.value() <= address) rows_->AddRows(*extent, list);
    return list.rows;
  }

 private:
  ElfFile code_;
  UnwindCounts counts_;
  std::optional<CfiRows> rows_;
};

}  // namespace kiln::symbolizer::testing

// gtest looks for these where kiln_rule is. A template, so that kiln's own operator goes first where both are seen.
template <std::same_as<kiln_rule> T>
bool operator==(const T& a, const T& b) {
  return kiln::symbolizer::operator==(a, b);
}
// For messages of failed tests.
inline std::ostream& operator<<(std::ostream& out, const kiln_rule& rule) {
  return out << fmt::format("cfa {}:{}{:+} {:+}, fp {}:{}{:+}, ra {}:{}{:+}, other {}{:+}, flags {}", rule.cfa_kind,
                            rule.cfa_register, rule.cfa_offset, rule.cfa_second, rule.fp_kind, rule.fp_register,
                            rule.fp_offset, rule.ra_kind, rule.ra_register, rule.ra_offset, rule.other_kind,
                            rule.other_offset, rule.flags);
}
