// SPDX-License-Identifier: Apache-2.0
#include "agent/top/view.h"

#include <gtest/gtest.h>

namespace kiln::agent {
namespace {

KeyEffect Type(TopView& view, std::string text) { return ApplyKey({KeyCode::kText, std::move(text)}, view); }

TEST(TopView, BeginsAsAskedFor) {
  TopOptions options;
  options.by = TopGrouping::kThread;
  options.sort = TopSort::kTotal;
  options.tree = true;
  options.no_kernel = true;
  const TopView view = ViewFor(options);
  EXPECT_EQ(view.by, TopGrouping::kThread);
  EXPECT_EQ(view.sort, TopSort::kTotal);
  EXPECT_TRUE(view.tree);
  EXPECT_FALSE(view.has_kernel);
}

TEST(TopView, QuitsByQ) {
  TopView view;
  EXPECT_EQ(Type(view, "q"), KeyEffect::kQuit);
}

TEST(TopView, IgnoresKeysWithoutMeaning) {
  TopView view;
  EXPECT_EQ(Type(view, "x"), KeyEffect::kNone);
  EXPECT_EQ(ApplyKey({KeyCode::kEnter}, view), KeyEffect::kNone);
  EXPECT_EQ(ApplyKey({KeyCode::kEscape}, view), KeyEffect::kNone);
}

TEST(TopView, PausesBySpaceAndByP) {
  TopView view;
  EXPECT_EQ(Type(view, " "), KeyEffect::kRedraw);
  EXPECT_TRUE(view.is_paused);
  Type(view, "p");
  EXPECT_FALSE(view.is_paused);
}

TEST(TopView, CyclesTheSortOfFunctions) {
  TopView view{.first_line = 7};
  for (const TopSort expected : {TopSort::kTotal, TopSort::kCpu, TopSort::kSelf}) {
    EXPECT_EQ(Type(view, "s"), KeyEffect::kRedraw);
    EXPECT_EQ(view.sort, expected);
    EXPECT_EQ(view.first_line, 0u);
  }
}

TEST(TopView, SaysWhyItDoesNotSortOtherwise) {
  TopView view{.by = TopGrouping::kProcess};
  EXPECT_EQ(Type(view, "s"), KeyEffect::kRedraw);
  EXPECT_EQ(view.sort, TopSort::kSelf);
  EXPECT_NE(view.message, "");
  EXPECT_EQ(Type(view, "x"), KeyEffect::kRedraw);  // the message goes
  EXPECT_EQ(view.message, "");
}

TEST(TopView, CyclesWhatALineIsAndLeavesTheTree) {
  TopView view;
  for (const TopGrouping expected : {TopGrouping::kProcess, TopGrouping::kThread, TopGrouping::kFunction}) {
    Type(view, "b");
    EXPECT_EQ(view.by, expected);
  }
  Type(view, "t");
  EXPECT_TRUE(view.tree);
  Type(view, "b");
  EXPECT_FALSE(view.tree);
  EXPECT_EQ(view.by, TopGrouping::kFunction);
}

TEST(TopView, HidesTheKernelWhereItIsSampled) {
  TopView view;
  Type(view, "k");
  EXPECT_FALSE(view.shows_kernel);
  Type(view, "k");
  EXPECT_TRUE(view.shows_kernel);
  TopView without{.has_kernel = false, .shows_kernel = false};
  Type(without, "k");
  EXPECT_FALSE(without.shows_kernel);
  EXPECT_NE(without.message, "");
}

TEST(TopView, TakesKeysAsTheFilterUntilEnter) {
  TopView view{.first_line = 3};
  EXPECT_EQ(Type(view, "/"), KeyEffect::kRedraw);
  for (const char* text : {"q", "ü", "s"}) EXPECT_EQ(Type(view, text), KeyEffect::kRedraw);
  EXPECT_EQ(view.filter, "qüs");
  EXPECT_EQ(view.first_line, 0u);
  ApplyKey({KeyCode::kBackspace}, view);
  ApplyKey({KeyCode::kBackspace}, view);
  EXPECT_EQ(view.filter, "q");
  EXPECT_EQ(ApplyKey({KeyCode::kDown}, view), KeyEffect::kNone);
  ApplyKey({KeyCode::kEnter}, view);
  EXPECT_EQ(view.filter, "q");
  EXPECT_EQ(Type(view, "q"), KeyEffect::kQuit);
}

TEST(TopView, EndsTheFilterByEscape) {
  TopView view;
  Type(view, "/");
  Type(view, "a");
  ApplyKey({KeyCode::kEscape}, view);
  EXPECT_EQ(view.filter, "");
  EXPECT_FALSE(view.edits_filter);
  TopView kept{.filter = "a"};
  EXPECT_EQ(ApplyKey({KeyCode::kEscape}, kept), KeyEffect::kRedraw);
  EXPECT_EQ(kept.filter, "");
}

TEST(TopView, TakesNoEndlessFilter) {
  TopView view;
  Type(view, "/");
  for (int i = 0; i < 1000; ++i) Type(view, "x");
  EXPECT_EQ(view.filter.size(), 256u);
  ApplyKey({KeyCode::kBackspace}, view);
  EXPECT_EQ(view.filter.size(), 255u);
}

TEST(TopView, Scrolls) {
  TopView view{.page_lines = 10};
  const auto press = [&](KeyCode code) {
    EXPECT_EQ(ApplyKey({code}, view), KeyEffect::kRedraw);
    return view.first_line;
  };
  EXPECT_EQ(press(KeyCode::kUp), 0u);
  EXPECT_EQ(press(KeyCode::kDown), 1u);
  EXPECT_EQ(press(KeyCode::kPageDown), 11u);
  EXPECT_EQ(press(KeyCode::kUp), 10u);
  EXPECT_EQ(press(KeyCode::kPageUp), 0u);
  EXPECT_GT(press(KeyCode::kEnd), 1'000'000u);
  EXPECT_EQ(press(KeyCode::kHome), 0u);
}

TEST(TopView, ShowsHelpUntilAnyKey) {
  TopView view;
  Type(view, "?");
  EXPECT_TRUE(view.shows_help);
  EXPECT_EQ(Type(view, "s"), KeyEffect::kRedraw);
  EXPECT_FALSE(view.shows_help);
  EXPECT_EQ(view.sort, TopSort::kSelf);
  Type(view, "h");
  EXPECT_EQ(Type(view, "q"), KeyEffect::kQuit);
}

}  // namespace
}  // namespace kiln::agent
