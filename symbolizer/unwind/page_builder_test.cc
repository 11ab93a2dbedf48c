// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/page_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "symbolizer/testing/row_list.h"
#include "symbolizer/unwind/page_reader.h"

namespace kiln::symbolizer {
namespace {

using testing::Arm64Rule;
using ::testing::ElementsAre;
using ::testing::Pair;
using testing::X86Rule;

constexpr uint64_t kPage = 0x30000;
constexpr uint8_t kSp = KILN_X86_SP;
constexpr uint8_t kFp = KILN_X86_BP;

class PageBuilderTest : public ::testing::Test {
 protected:
  void Start() { builder_.Start(ElfAddress(kPage)); }
  void Add(uint64_t offset, const kiln_rule& rule) { builder_.Add(ElfAddress(kPage + offset), rule); }
  std::vector<std::pair<uint32_t, kiln_rule>> Finish() {
    std::vector<std::pair<uint32_t, kiln_rule>> rows;
    EXPECT_TRUE(builder_.Finish(words_));
    EXPECT_TRUE(
        VisitRows(machine_, words_, [&](uint32_t offset, const kiln_rule& rule) { rows.emplace_back(offset, rule); }));
    return rows;
  }
  // The kind of the row that `rule` gets.
  uint32_t KindOf(const UnwindMachine& machine, const kiln_rule& rule) {
    PageBuilder builder(machine);
    builder.Start(ElfAddress(kPage));
    builder.Add(ElfAddress(kPage), rule);
    EXPECT_TRUE(builder.Finish(words_));
    EXPECT_EQ(FindRow(machine, words_, 0), rule);
    return KILN_ROW_KIND(words_[offsetof(kiln_page, rows) / 4]);
  }

  const UnwindMachine& machine_ = *FindUnwindMachine(EM_X86_64);
  const UnwindMachine& arm64_ = *FindUnwindMachine(EM_AARCH64);
  PageBuilder builder_{machine_};
  std::vector<uint32_t> words_;
};

TEST_F(PageBuilderTest, APageWithoutRowsSaysSo) {
  Start();
  EXPECT_THAT(Finish(), ElementsAre(Pair(0, SpecialRule(KILN_SPECIAL_NO_CFI))));
  EXPECT_EQ(words_.size(), offsetof(kiln_page, rows) / 4 + 1);
  EXPECT_EQ(FindRow(machine_, words_, 0xffff), SpecialRule(KILN_SPECIAL_NO_CFI));
}

TEST_F(PageBuilderTest, RowsHoldUntilTheNextOne) {
  Start();
  Add(0, X86Rule(kSp, 8));
  Add(0x101, X86Rule(kSp, 16));
  Add(0x1ff, X86Rule(kSp, 24));
  Add(0x200, X86Rule(kFp, 16, -16));
  Add(0xfffe, X86Rule(kSp, 32));
  Finish();
  const auto at = [&](uint32_t offset) { return *FindRow(machine_, words_, offset); };
  EXPECT_EQ(at(0), X86Rule(kSp, 8));
  EXPECT_EQ(at(0x100), X86Rule(kSp, 8)) << "in force from the block before";
  EXPECT_EQ(at(0x101), X86Rule(kSp, 16));
  EXPECT_EQ(at(0x1fe), X86Rule(kSp, 16));
  EXPECT_EQ(at(0x1ff), X86Rule(kSp, 24));
  EXPECT_EQ(at(0x200), X86Rule(kFp, 16, -16));
  EXPECT_EQ(at(0xfffd), X86Rule(kFp, 16, -16));
  EXPECT_EQ(at(0xffff), X86Rule(kSp, 32));
  EXPECT_FALSE(FindRow(machine_, words_, 0x10000));
}

TEST_F(PageBuilderTest, FirstRowIsWhatTheFormatSays) {
  Start();
  Add(0, X86Rule(kSp, 8));
  Add(0x10, X86Rule(kSp, 16));
  Add(0x210, X86Rule(kSp, 24));
  Finish();
  const auto* page = reinterpret_cast<const kiln_page*>(words_.data());
  EXPECT_EQ(page->row_count, 3);
  EXPECT_EQ(page->first_row[0], 1) << "row 0 has no place";
  EXPECT_EQ(page->first_row[1], 2);
  EXPECT_EQ(page->first_row[2], 2);
  EXPECT_EQ(page->first_row[3], 3);
  EXPECT_EQ(page->first_row[255], 3);
  EXPECT_EQ(page->first_row[259], 3);
  EXPECT_EQ(KILN_ROW_OFFSET(page->rows[2]), 0x10u);
}

TEST_F(PageBuilderTest, EqualNeighboursAreOneRow) {
  Start();
  Add(0, X86Rule(kSp, 8));
  Add(0x10, X86Rule(kSp, 8));
  Add(0x20, X86Rule(kSp, 16));
  Add(0x20, X86Rule(kSp, 8));
  Add(0x30, X86Rule(kSp, 24));
  EXPECT_THAT(Finish(), ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(0x30, X86Rule(kSp, 24))));
}

TEST_F(PageBuilderTest, WindowsCutRows) {
  Start();
  builder_.SetWindow(ElfAddress(kPage - 0x100), ElfAddress(kPage + 0x10), ElfAddress(kPage - 0x100));
  builder_.Add(ElfAddress(kPage - 0x100), X86Rule(kSp, 8));
  builder_.Add(ElfAddress(kPage - 0x80), X86Rule(kSp, 16));
  Add(0x10, X86Rule(kSp, 24));
  builder_.SetWindow(ElfAddress(kPage + 0x10), ElfAddress(kPage + 0x40), ElfAddress(kPage + 0x20));
  Add(0x20, X86Rule(kSp, 32));
  Add(0x30, X86Rule(kSp, 40));
  EXPECT_FALSE(builder_.IsFull());
  Add(0x40, X86Rule(kSp, 48));
  EXPECT_TRUE(builder_.IsFull()) << "nothing that comes counts";
  EXPECT_THAT(Finish(),
              ElementsAre(Pair(0, X86Rule(kSp, 16)), Pair(0x10, X86Rule(kSp, 32)), Pair(0x30, X86Rule(kSp, 40))));
}

TEST_F(PageBuilderTest, PlainRulesOfX86) {
  EXPECT_EQ(KindOf(machine_, X86Rule(kSp, 8)), KILN_ROW_SP);
  EXPECT_EQ(KindOf(machine_, X86Rule(kSp, 8 * 2047, -8 * 2047)), KILN_ROW_SP);
  EXPECT_EQ(KindOf(machine_, X86Rule(kFp, 16, -16)), KILN_ROW_FP);
  kiln_rule derived = X86Rule(kSp, 24, -16);
  derived.flags = KILN_RULE_DERIVED;
  EXPECT_EQ(KindOf(machine_, derived), KILN_ROW_OTHER);
}

TEST_F(PageBuilderTest, OtherRulesOfX86AreExtended) {
  std::vector<kiln_rule> rules = {X86Rule(kSp, 8 * 2048), X86Rule(kSp, 12),      X86Rule(kSp, -8),
                                  X86Rule(kSp, 16, 16),   X86Rule(kSp, 16, -12), X86Rule(KILN_X86_R10, 8)};
  rules.resize(14, X86Rule(kFp, 16, -16));
  rules[6].ra_offset = -16;
  rules[7].fp_kind = KILN_VALUE_LOST;
  rules[8].other_kind = KILN_VALUE_AT_CFA;
  rules[9].flags = KILN_RULE_SIGNAL_FRAME;
  rules[10].flags = KILN_RULE_DERIVED;
  rules[11].cfa_kind = KILN_CFA_DEREF;
  rules[12].cfa_kind = KILN_CFA_PLT;
  rules[13].ra_kind = KILN_VALUE_REGISTER;
  for (size_t i = 0; i < rules.size(); ++i) EXPECT_EQ(KindOf(machine_, rules[i]), KILN_ROW_RULE) << i;
}

TEST_F(PageBuilderTest, RulesOfArm64) {
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_SP, 0)), KILN_ROW_SP);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_SP, 32, -32, -24)), KILN_ROW_SP);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_FP, 32, -32, -24)), KILN_ROW_FP);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_FP, 32)), KILN_ROW_FP);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_SP, 16, 0, -16)), KILN_ROW_OTHER);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_FP, 16, 0, -16)), KILN_ROW_RULE);
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_SP, 32, -32, -16)), KILN_ROW_RULE) << "not side by side";
  EXPECT_EQ(KindOf(arm64_, Arm64Rule(KILN_ARM64_SP, 16, -8, 0)), KILN_ROW_RULE);
  kiln_rule derived = Arm64Rule(KILN_ARM64_SP, 16, -16, -8);
  derived.flags = KILN_RULE_DERIVED;
  EXPECT_EQ(KindOf(arm64_, derived), KILN_ROW_RULE);
}

TEST_F(PageBuilderTest, SpecialRowsNeedNoRule) {
  for (const kiln_special special : {KILN_SPECIAL_NO_CFI, KILN_SPECIAL_ROOT, KILN_SPECIAL_INEXPRESSIBLE,
                                     KILN_SPECIAL_DAMAGED, KILN_SPECIAL_UNCLEAR}) {
    EXPECT_EQ(KindOf(machine_, SpecialRule(special)), KILN_ROW_RULE);
    EXPECT_EQ(words_.size(), offsetof(kiln_page, rows) / 4 + 1);
  }
}

TEST_F(PageBuilderTest, ExtendedRulesAreSharedInThePage) {
  Start();
  for (uint64_t i = 0; i < 100; ++i) Add(i * 16, X86Rule(KILN_X86_R10, i % 2 == 0 ? 8 : 16));
  EXPECT_EQ(Finish().size(), 100u);
  EXPECT_EQ(reinterpret_cast<const kiln_page*>(words_.data())->rule_count, 2);
}

TEST_F(PageBuilderTest, EveryByteCanHaveItsRow) {
  // 64 Ki rows don't fit, 12 Ki do.
  Start();
  for (uint64_t i = 0; i < 12 << 10; ++i) Add(i, X86Rule(kSp, i % 2 == 0 ? 8 : 16));
  EXPECT_EQ(Finish().size(), size_t{12} << 10);
  Start();
  for (uint64_t i = 0; i < 64 << 10; ++i) Add(i, X86Rule(kSp, i % 2 == 0 ? 8 : 16));
  EXPECT_FALSE(builder_.Finish(words_));
  EXPECT_TRUE(words_.empty());
}

TEST_F(PageBuilderTest, TooManyRulesDontFit) {
  Start();
  for (uint64_t i = 0; i < 1400; ++i) Add(i * 8, X86Rule(KILN_X86_R10, static_cast<int32_t>(i)));
  EXPECT_EQ(Finish().size(), 1400u);
  EXPECT_EQ(FindRow(machine_, words_, 8 * 1399 + 5), X86Rule(KILN_X86_R10, 1399));
  for (const uint64_t rules : {2200, 8000}) {
    Start();
    for (uint64_t i = 0; i < rules; ++i) Add(i * 8, X86Rule(KILN_X86_R10, static_cast<int32_t>(i)));
    EXPECT_FALSE(builder_.Finish(words_)) << rules;
  }
}

TEST_F(PageBuilderTest, FindsWhatWasAdded) {
  std::mt19937 random(1);
  Start();
  std::map<uint64_t, kiln_rule> rows = {{0, SpecialRule(KILN_SPECIAL_NO_CFI)}};
  for (uint64_t offset = 0; offset < kPageBytes; offset += 1 + random() % 40) {
    const auto value = static_cast<int32_t>(random() % 6 * 8);
    rows[offset] = random() % 8 == 0 ? X86Rule(KILN_X86_R10, value) : X86Rule(kSp, value, -value);
    Add(offset, rows[offset]);
  }
  Finish();
  for (uint32_t offset = 0; offset < kPageBytes; ++offset) {
    ASSERT_EQ(FindRow(machine_, words_, offset), std::prev(rows.upper_bound(offset))->second) << offset;
  }
}

TEST(PageReader, APageThatContradictsItselfIsRefused) {
  const UnwindMachine& machine = *FindUnwindMachine(EM_X86_64);
  PageBuilder builder(machine);
  builder.Start(ElfAddress(0));
  builder.Add(ElfAddress(0), X86Rule(KILN_X86_R10, 8));
  std::vector<uint32_t> good;
  ASSERT_TRUE(builder.Finish(good));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(FindRow(machine, std::span(good).first(size), 0)) << size;
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint32_t> bad = good;
    bad[random() % bad.size()] ^= 1U << random() % 32;
    (void)FindRow(machine, bad, random() % kPageBytes);
    (void)VisitRows(machine, bad, [](uint32_t, const kiln_rule&) {});
  }
}

}  // namespace
}  // namespace kiln::symbolizer
