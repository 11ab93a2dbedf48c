// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derived_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bpf/registers.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;

constexpr uint64_t kText = 0x401000;

class ListSink : public RowSink {
 public:
  std::vector<UnwindRow> rows;
  void Add(ElfAddress address, const kiln_rule& rule) override { rows.push_back({.address = address, .rule = rule}); }
};

CodeExtent Extent(uint64_t begin, uint64_t end) {
  return {.begin = ElfAddress(kText + begin), .end = ElfAddress(kText + end)};
}

// 32 functions of 16 bytes: push rbx; nop; pop rbx; ret.
std::string Functions() {
  std::string code;
  for (int i = 0; i < 32; ++i) code += "\x53\x90\x5b\xc3" + std::string(12, '\xcc');
  return code;
}

ElfFile Program(const std::string& code, uint16_t machine = EM_X86_64) {
  ElfBuilder builder;
  builder.patch_header = [&](Elf64_Ehdr& header) { header.e_machine = machine; };
  builder.AddLoadedBytes(kText, code, PF_R | PF_X);
  return *builder.Open();
}

TEST(DerivedRowsTest, AnalysesAGapOnceAndGivesItsRowsInParts) {
  const ElfFile elf = Program(Functions());
  DerivedRows derived(elf, KILN_NO_REGISTER);
  ListSink first;
  ASSERT_TRUE(derived.Fill(Extent(0, 512), Extent(0, 256), first));
  ListSink second;
  ASSERT_TRUE(derived.Fill(Extent(0, 512), Extent(257, 512), second));
  EXPECT_EQ(derived.counts().parts, 1u);
  EXPECT_EQ(derived.counts().functions, 32u);
  EXPECT_EQ(derived.counts().unclear_functions, 0u);
  ASSERT_FALSE(second.rows.empty());
  // Begins where it is asked for, with the rule that holds there: rbx is pushed.
  EXPECT_EQ(second.rows[0].address, ElfAddress(kText + 257));
  EXPECT_EQ(second.rows[0].rule.cfa_register, KILN_X86_SP);
  EXPECT_EQ(second.rows[0].rule.cfa_offset, 16);
  EXPECT_EQ(second.rows[0].rule.flags, KILN_RULE_DERIVED);
  EXPECT_LT(first.rows.back().address, ElfAddress(kText + 256));
  EXPECT_TRUE(std::ranges::is_sorted(first.rows, {}, &UnwindRow::address));
}

TEST(DerivedRowsTest, AnalysesALargeGapInParts) {
  constexpr uint64_t kFunctionBytes = 16;
  std::string code;
  while (code.size() < 2 * kDerivedPartBytes + 0x10000) code += "\x53\x90\x5b\xc3" + std::string(12, '\xcc');
  const CodeExtent gap = Extent(0, code.size());
  const ElfFile elf = Program(code);
  DerivedRows derived(elf, KILN_NO_REGISTER);
  // Across the border of two parts; then what the first page of one of them has.
  ListSink across;
  ASSERT_TRUE(derived.Fill(gap, Extent(kDerivedPartBytes - 0x1000, kDerivedPartBytes + 0x1000), across));
  EXPECT_EQ(derived.counts().parts, 2u);
  EXPECT_TRUE(std::ranges::is_sorted(across.rows, {}, &UnwindRow::address));
  for (const UnwindRow& row : across.rows) {
    const uint64_t in_function = (row.address.value() - kText) % kFunctionBytes;
    const bool is_pushed = in_function == 1 || in_function == 2;
    EXPECT_EQ(row.rule.cfa_register, KILN_X86_SP) << row.address.value();
    EXPECT_EQ(row.rule.cfa_offset, is_pushed ? 16 : 8) << row.address.value();
  }
  ListSink again;
  ASSERT_TRUE(derived.Fill(gap, Extent(kDerivedPartBytes, kDerivedPartBytes + 0x1000), again));
  EXPECT_EQ(derived.counts().parts, 2u);
  const auto border = std::ranges::lower_bound(across.rows, again.rows[0].address, {}, &UnwindRow::address);
  EXPECT_TRUE(std::ranges::equal(
      std::ranges::subrange(border, across.rows.end()), again.rows,
      [](const UnwindRow& a, const UnwindRow& b) { return a.address == b.address && a.rule == b.rule; }));
}

TEST(DerivedRowsTest, LosesTheTrackedRegister) {
  const ElfFile elf = Program(Functions());
  DerivedRows derived(elf, KILN_X86_BX);
  ListSink sink;
  ASSERT_TRUE(derived.Fill(Extent(0, 512), Extent(0, 512), sink));
  for (const UnwindRow& row : sink.rows) EXPECT_EQ(row.rule.other_kind, KILN_VALUE_LOST);
}

TEST(DerivedRowsTest, LeavesOtherMachinesAndUnreadableCode) {
  ListSink sink;
  const ElfFile arm64 = Program(Functions(), EM_AARCH64);
  EXPECT_FALSE(DerivedRows(arm64, KILN_NO_REGISTER).Fill(Extent(0, 512), Extent(0, 512), sink));
  const ElfFile elf = Program(Functions());
  DerivedRows derived(elf, KILN_NO_REGISTER);
  EXPECT_FALSE(derived.Fill(Extent(0, 0x10000), Extent(0, 0x10000), sink));
  EXPECT_EQ(derived.counts().unread_bytes, 0x10000u);
  EXPECT_TRUE(sink.rows.empty());
}

TEST(DerivedRowsTest, CountsUnclearBytesByReason) {
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, std::string("\x53\x90\xc3", 3), PF_R | PF_X);  // push rbx; nop; ret
  builder.AddText(kText, 3);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "f", .value = kText, .size = 3}});
  const ElfFile elf = *builder.Open();
  DerivedRows derived(elf, KILN_NO_REGISTER);
  ListSink sink;
  ASSERT_TRUE(derived.Fill(Extent(0, 3), Extent(0, 3), sink));
  ASSERT_EQ(sink.rows.size(), 1u);
  EXPECT_TRUE(IsSpecial(sink.rows[0].rule, KILN_SPECIAL_UNCLEAR));
  EXPECT_EQ(derived.counts().unclear_bytes[static_cast<size_t>(Unclear::kReturnDepth)], 3u);
}

}  // namespace
}  // namespace kiln::symbolizer
