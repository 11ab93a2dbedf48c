// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/terminal.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace kiln::agent {
namespace {

TEST(HarmlessText, ReplacesWhatATerminalWouldObey) {
  EXPECT_EQ(HarmlessText("plain name<int>"), "plain name<int>");
  EXPECT_EQ(HarmlessText("a\x1b[31mb"), "a\uFFFD[31mb");
  EXPECT_EQ(HarmlessText("a\nb\tc\x7f"), "a\uFFFDb\uFFFDc\uFFFD");
  EXPECT_EQ(HarmlessText("\xc2\x9b"
                         "31m"),
            "\uFFFD31m");                                     // CSI as one C1 character
  EXPECT_EQ(HarmlessText("\u202Egnp.exe"), "\uFFFDgnp.exe");  // right-to-left override
  EXPECT_EQ(HarmlessText("\u2066x\u200Bz\uFEFF"), "\uFFFDx\uFFFDz\uFFFD");
}

TEST(HarmlessText, RepairsBrokenUtf8AndKeepsTheRest) {
  EXPECT_EQ(HarmlessText("a\xff"
                         "b"),
            "a\uFFFDb");
  EXPECT_EQ(HarmlessText("größe 函数 🔥"), "größe 函数 🔥");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("größe"), 5u);
  EXPECT_EQ(DisplayWidth("函数"), 4u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);  // combining accent
  EXPECT_EQ(DisplayWidth("🔥"), 2u);
}

TEST(CutToWidth, LeavesWhatFitsAndMarksWhatItCuts) {
  EXPECT_EQ(CutToWidth("abc", 3), "abc");
  EXPECT_EQ(CutToWidth("abcd", 3), "ab…");
  EXPECT_EQ(CutToWidth("größer", 4), "grö…");
  EXPECT_EQ(CutToWidth("函数名", 4), "函…");  // two columns each: a half one does not fit
  EXPECT_EQ(CutToWidth("abc", 1), "…");
  EXPECT_EQ(CutToWidth("abc", 0), "");
}

TEST(TerminalWidth, IsZeroForAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(TerminalWidth(ends[1]), 0u);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace kiln::agent
