// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_section.h"

#include <gtest/gtest.h>

#include <memory>

#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using testing::Le;
using testing::TestCie;
using testing::Uleb;

constexpr uint64_t kSection = 0x5000;
constexpr uint64_t kCode = 0x1000;

CfiSection Section(const CfiBuilder& builder) {
  const auto bytes = AsBytes(builder.bytes());
  return CfiSection(builder.eh_frame ? CfiSection::Kind::kEhFrame : CfiSection::Kind::kDebugFrame,
                    std::vector<std::byte>(bytes.begin(), bytes.end()), ElfAddress(kSection),
                    {.text = 0x100000, .data = 0x200000});
}

// A section with one CIE and one FDE, read again.
struct Read {
  std::unique_ptr<const CfiSection> section;  // which the others point into
  std::optional<Cie> cie;
  std::optional<Fde> fde;
  UnwindCounts counts;
};
Read ReadBack(const CfiBuilder& builder) {
  Read result;
  result.section = std::make_unique<const CfiSection>(Section(builder));
  const CfiSection& section = *result.section;
  const std::optional<CfiEntry> cie = section.EntryAt(0);
  if (!cie || !cie->is_cie) return result;
  result.cie = section.ReadCie(*cie, result.counts);
  const std::optional<CfiEntry> fde = section.EntryAt(cie->end);
  if (!result.cie || !fde || fde->is_cie || fde->cie_offset != 0) return result;
  result.fde = section.ReadFde(*fde, *result.cie, result.counts);
  return result;
}

TEST(CfiSection, ReadsEachKindWidthAndVersion) {
  for (const bool eh_frame : {true, false}) {
    for (const bool wide : {false, true}) {
      for (const int version : {1, 3, 4}) {
        CfiBuilder builder(eh_frame, kSection);
        builder.wide = wide;
        const TestCie plain{.version = version, .augmentation = eh_frame ? "zR" : ""};
        const uint64_t cie = builder.AddCie(plain);
        builder.AddFde(cie, kCode, 0x20, Bytes({0x41, 0x0e, 0x10}));
        const Read read = ReadBack(builder);
        ASSERT_TRUE(read.cie && read.fde) << eh_frame << wide << version;
        EXPECT_EQ(read.cie->data_alignment, -8);
        EXPECT_EQ(read.cie->return_column, 16u);
        EXPECT_EQ(read.fde->begin, kCode);
        EXPECT_EQ(read.fde->size, 0x20u);
        EXPECT_EQ(std::to_integer<int>(read.fde->instructions[0]), 0x41);
        EXPECT_EQ(read.cie->instructions.size() / 4, 1u) << "instructions with padding";
      }
    }
  }
}

TEST(CfiSection, AugmentationLettersAreUnderstood) {
  struct Case {
    std::string letters;
    std::string data;
    bool signal;
    uint8_t encoding;
  };
  const std::vector<Case> cases = {
      {"zR", Bytes({0x1b}), false, 0x1b},
      {"zPLR", Bytes({0x9b, 1, 2, 3, 4, 0x1b, 0x1b}), false, 0x1b},
      {"zPR", Bytes({0x80, 1, 2, 3, 4, 5, 6, 7, 8, 0x1b}), false, 0x1b},
      {"zRS", Bytes({0x1b}), true, 0x1b},
      {"zRB", Bytes({0x1b}), false, 0x1b},
      {"zRBG", Bytes({0x1b}), false, 0x1b},
      {"zRx", Bytes({0x1b, 0x77, 0x77}), false, 0x1b},
      {"z", "", false, 0x00},
  };
  for (const Case& letters : cases) {
    CfiBuilder builder(true, kSection);
    const uint64_t cie = builder.AddCie({.augmentation = letters.letters, .augmentation_data = letters.data});
    const uint64_t location = kSection + builder.BodyOffset();
    builder.AddFdeWith(cie,
                       letters.encoding == 0x1b ? Le(static_cast<int32_t>(kCode - location)) + Le<int32_t>(8)
                                                : Le<uint64_t>(kCode) + Le<uint64_t>(8),
                       Bytes({0x41}));
    const Read read = ReadBack(builder);
    ASSERT_TRUE(read.cie && read.fde) << letters.letters;
    EXPECT_EQ(read.cie->pointer_encoding, letters.encoding) << letters.letters;
    EXPECT_EQ(read.cie->signal_frame, letters.signal) << letters.letters;
    EXPECT_EQ(read.fde->begin, kCode) << letters.letters;
    EXPECT_EQ(std::to_integer<int>(read.fde->instructions[0]), 0x41) << letters.letters;
  }
}

TEST(CfiSection, FdePointersMayBeRelativeToTextOrData) {
  for (const auto& [encoding, base] : {std::pair{0x2b, 0x100000}, std::pair{0x3b, 0x200000}}) {
    CfiBuilder builder(true, kSection);
    const uint64_t cie = builder.AddCie({.augmentation_data = Bytes({encoding})});
    builder.AddFdeWith(cie, Le<int32_t>(0x30) + Le<int32_t>(8), "");
    const Read read = ReadBack(builder);
    ASSERT_TRUE(read.fde);
    EXPECT_EQ(read.fde->begin, static_cast<uint64_t>(base) + 0x30);
  }
}

TEST(CfiSection, WhatIsRefusedIsCountedByReason) {
  struct Case {
    TestCie cie;
    std::string location;
    UnwindIssue issue;
  };
  const std::string good = Le<int32_t>(0x100) + Le<int32_t>(8);
  const std::vector<Case> cases = {
      {{.version = 2}, good, UnwindIssue::kCieVersion},
      {{.augmentation = "x"}, good, UnwindIssue::kCieAugmentation},
      {{.augmentation = "zPR", .augmentation_data = Bytes({0x50, 0, 0, 0x1b})}, good, UnwindIssue::kCieAugmentation},
      {{.augmentation_data = Bytes({0x9b})}, good, UnwindIssue::kPointerEncoding},
      {{.augmentation_data = Bytes({0x4b})}, good, UnwindIssue::kPointerEncoding},
      {{.augmentation_data = Bytes({0x00})}, Le<uint64_t>(0) + Le<uint64_t>(8), UnwindIssue::kDiscardedFde},
      {{.augmentation_data = Bytes({0x00})}, Le<uint64_t>(kCode) + Le<uint64_t>(0), UnwindIssue::kEmptyFde},
      {{.augmentation_data = Bytes({0x00})}, Le(~uint64_t{0}) + Le<uint64_t>(8), UnwindIssue::kFdeOverflow},
      {{.augmentation_data = Bytes({0x1b})}, Le<int32_t>(4) + Le<int32_t>(-8), UnwindIssue::kFdeOverflow},
      {{.augmentation_data = Bytes({0x00})}, Le<uint32_t>(0), UnwindIssue::kPointerEncoding},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CfiBuilder builder(true, kSection);
    const uint64_t cie = builder.AddCie(cases[i].cie);
    builder.AddFdeWith(cie, cases[i].location, "");
    const Read read = ReadBack(builder);
    EXPECT_FALSE(read.fde) << i;
    EXPECT_EQ(read.counts[cases[i].issue], 1u) << i;
  }
}

TEST(CfiSection, CieOfOtherAddressesIsRefused) {
  CfiBuilder builder(false, kSection);
  builder.AddRaw(Le<uint32_t>(16) + Le<uint32_t>(0xffffffff) +
                 Bytes({4, 0, /*address size*/ 4, 0, 1, 0x78, 16, 0, 0, 0, 0, 0}));
  const Read read = ReadBack(builder);
  EXPECT_FALSE(read.cie);
  EXPECT_EQ(read.counts[UnwindIssue::kCieAddressSize], 1u);
}

TEST(CfiSection, EntriesStayInsideOfTheSection) {
  const CfiSection empty(CfiSection::Kind::kEhFrame, {}, ElfAddress(kSection), {});
  EXPECT_FALSE(empty.EntryAt(0));
  EXPECT_TRUE(empty.EndsAt(0));

  CfiBuilder builder(true, kSection);
  builder.AddCie({});
  const std::string whole = builder.bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto bytes = AsBytes(whole).first(size);
    const CfiSection cut(CfiSection::Kind::kEhFrame, std::vector<std::byte>(bytes.begin(), bytes.end()),
                         ElfAddress(kSection), {});
    EXPECT_FALSE(cut.EntryAt(0)) << size;
    EXPECT_FALSE(cut.EntryAt(size + 1)) << size;
  }
}

TEST(CfiSection, EndMarkEndsTheEntries) {
  CfiBuilder builder(true, kSection);
  builder.AddCie({});
  builder.AddEnd();
  const CfiSection section = Section(builder);
  const uint64_t end = section.EntryAt(0)->end;
  EXPECT_FALSE(section.EntryAt(end));
  EXPECT_TRUE(section.EndsAt(end));
  EXPECT_FALSE(section.EndsAt(0));
}

}  // namespace
}  // namespace kiln::symbolizer
