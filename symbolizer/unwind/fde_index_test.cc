// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/fde_index.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using testing::EhFrameHeaderBytes;
using testing::Le;

constexpr uint64_t kHeader = 0x1f00;
constexpr uint64_t kSection = 0x2000;

class FdeIndexTest : public ::testing::Test {
 protected:
  FdeIndexTest() : builder_(true, kSection) {
    const uint64_t cie = builder_.AddCie({});
    first_ = kSection + builder_.AddFde(cie, 0x1000, 0x10, "");
    second_ = kSection + builder_.AddFde(cie, 0x1100, 0x10, "");
  }
  CfiSection Section() const {
    const auto bytes = AsBytes(builder_.bytes());
    return CfiSection(CfiSection::Kind::kEhFrame, std::vector<std::byte>(bytes.begin(), bytes.end()),
                      ElfAddress(kSection), {});
  }
  // Whether the table of this header was taken.
  bool Load(const std::string& bytes) {
    const std::optional<EhFrameHeader> header = ReadEhFrameHeader(AsBytes(bytes), ElfAddress(kHeader));
    return header && index_.LoadTable(AsBytes(bytes), ElfAddress(kHeader), *header, Section(), counts_);
  }

  CfiBuilder builder_;
  uint64_t first_;
  uint64_t second_;
  FdeIndex index_;
  UnwindCounts counts_;
};

TEST_F(FdeIndexTest, ReadsTheHeader) {
  const std::string bytes = EhFrameHeaderBytes(kHeader, kSection, {{0x1000, first_}});
  const std::optional<EhFrameHeader> header = ReadEhFrameHeader(AsBytes(bytes), ElfAddress(kHeader));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->eh_frame, kSection);
  EXPECT_EQ(header->fde_count, 1u);
  EXPECT_EQ(header->table_encoding, 0x3b);
  EXPECT_EQ(header->table_offset, 12u);
}

TEST_F(FdeIndexTest, TakesTheTableAsItIs) {
  ASSERT_TRUE(Load(EhFrameHeaderBytes(kHeader, kSection, {{0x1000, first_}, {0x1100, second_}})));
  ASSERT_EQ(index_.entries().size(), 2u);
  EXPECT_TRUE(index_.from_table());
  EXPECT_EQ(index_.entries()[1].begin, 0x1100u);
  EXPECT_EQ(index_.entries()[1].offset, second_ - kSection);
  EXPECT_EQ(index_.FindAtOrBefore(0xfff), 2u);
  EXPECT_EQ(index_.FindAtOrBefore(0x1000), 0u);
  EXPECT_EQ(index_.FindAtOrBefore(0x10ff), 0u);
  EXPECT_EQ(index_.FindAtOrBefore(0x9999), 1u);
}

TEST_F(FdeIndexTest, SortsATableThatIsNot) {
  ASSERT_TRUE(Load(EhFrameHeaderBytes(kHeader, kSection, {{0x1100, second_}, {0x1000, first_}})));
  EXPECT_EQ(index_.entries()[0].begin, 0x1000u);
}

TEST_F(FdeIndexTest, RefusesTablesThatCantBe) {
  EXPECT_FALSE(Load(EhFrameHeaderBytes(kHeader, kSection, {}))) << "empty";
  EXPECT_FALSE(Load(EhFrameHeaderBytes(kHeader, kSection, {{0x1000, 0x9000}}))) << "FDE out of the section";
  std::string cut = EhFrameHeaderBytes(kHeader, kSection, {{0x1000, first_}, {0x1100, second_}});
  cut.pop_back();
  EXPECT_FALSE(Load(cut));
  std::string other_encoding = EhFrameHeaderBytes(kHeader, kSection, {{0x1000, first_}});
  other_encoding[3] = 0x1b;
  EXPECT_FALSE(Load(other_encoding));
  std::string huge = EhFrameHeaderBytes(kHeader, kSection, {{0x1000, first_}});
  huge.replace(8, 4, Le<uint32_t>(0xffffffff));
  EXPECT_FALSE(Load(huge)) << "count beyond the bytes";
  EXPECT_TRUE(index_.entries().empty());
}

TEST_F(FdeIndexTest, HeaderMayLackItsTable) {
  const std::string bytes = Bytes({1, 0x1b, 0xff, 0xff}) + Le(static_cast<int32_t>(kSection - (kHeader + 4)));
  const std::optional<EhFrameHeader> header = ReadEhFrameHeader(AsBytes(bytes), ElfAddress(kHeader));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->eh_frame, kSection);
  EXPECT_FALSE(Load(bytes));
}

TEST_F(FdeIndexTest, RefusesWhatIsNoHeader) {
  EXPECT_FALSE(ReadEhFrameHeader({}, ElfAddress(kHeader)));
  const std::string version2 = Bytes({2, 0x1b, 0x03, 0x3b}) + Le<int32_t>(0) + Le<uint32_t>(0);
  EXPECT_FALSE(ReadEhFrameHeader(AsBytes(version2), ElfAddress(kHeader)));
  const std::string omitted = Bytes({1, 0xff, 0x03, 0x3b}) + Le<uint32_t>(0);
  EXPECT_FALSE(ReadEhFrameHeader(AsBytes(omitted), ElfAddress(kHeader)));
}

TEST_F(FdeIndexTest, ScansTheSection) {
  builder_.AddEnd();
  builder_.AddRaw("what is behind the end mark");
  index_.Scan(Section(), counts_);
  ASSERT_EQ(index_.entries().size(), 2u);
  EXPECT_FALSE(index_.from_table());
  EXPECT_EQ(index_.entries()[0].begin, 0x1000u);
  EXPECT_EQ(index_.entries()[0].offset, first_ - kSection);
  EXPECT_EQ(counts_.fdes, 2u);
  EXPECT_EQ(counts_[UnwindIssue::kEntryCut], 0u);
}

}  // namespace
}  // namespace kiln::symbolizer
