// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_window.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;

class ElfWindowTest : public ::testing::Test {
 protected:
  ElfWindowTest() {
    ElfBuilder builder;
    builder.AddLoadedBytes(0x1000, std::string("one\0two\0three", 13), PF_R);
    elf_.emplace(*builder.Open());
  }
  std::optional<ElfFile> elf_;
};

TEST_F(ElfWindowTest, GivesWhatIsInTheWindowAndMovesIt) {
  ElfWindow window(*elf_, 4);
  EXPECT_EQ(AsText(window.At(ElfAddress(0x1000))), std::string_view("one\0", 4));
  EXPECT_EQ(AsText(window.At(ElfAddress(0x1001))), std::string_view("ne\0", 3));
  EXPECT_EQ(AsText(window.At(ElfAddress(0x1001), 4)), std::string_view("ne\0t", 4));
  EXPECT_EQ(AsText(window.At(ElfAddress(0x1000))), std::string_view("one\0", 4));
}

TEST_F(ElfWindowTest, GivesNothingBeyondTheFileOrTheWindow) {
  ElfWindow window(*elf_, 4);
  EXPECT_TRUE(window.At(ElfAddress(0x0fff)).empty());
  EXPECT_TRUE(window.At(ElfAddress(0x100d)).empty());
  EXPECT_TRUE(window.At(ElfAddress(0x100b), 3).empty());
  EXPECT_TRUE(window.At(ElfAddress(0x1000), 5).empty());
  EXPECT_EQ(window.At(ElfAddress(0x100c)).size(), 1u);
  EXPECT_TRUE(window.At(ElfAddress(UINT64_MAX)).empty());
}

TEST_F(ElfWindowTest, ReadsTextsThatAreLongerThanTheWindow) {
  ElfWindow window(*elf_, 2);
  std::string text;
  ASSERT_TRUE(window.ReadText(ElfAddress(0x1000), 100, text));
  EXPECT_EQ(text, "one");
  ASSERT_TRUE(window.ReadText(ElfAddress(0x1008), 3, text));
  EXPECT_EQ(text, "thr");
  EXPECT_FALSE(window.ReadText(ElfAddress(0x1008), 100, text));  // has no end
}

}  // namespace
}  // namespace kiln::symbolizer
