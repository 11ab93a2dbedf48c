// SPDX-License-Identifier: Apache-2.0
#include "agent/top/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "agent/cli/terminal.h"
#include "agent/top/testing.h"

namespace kiln::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr size_t kAll = std::numeric_limits<size_t>::max();

std::vector<std::string> Screen(const TopInterval& interval, TopView& view, ScreenSize size, size_t most = kAll) {
  std::vector<std::string> texts;
  for (const ScreenLine& line : RenderScreen(&interval, view, size, absl::UTCTimeZone(), most)) {
    EXPECT_LE(DisplayWidth(line.text), size.columns);
    texts.push_back(line.text);
  }
  EXPECT_LE(texts.size(), size.rows);
  return texts;
}

std::string Block(const TopInterval& interval, const TopView& view, size_t width = 0, size_t most = 20) {
  return RenderBlock(interval, view, width, absl::UTCTimeZone(), most);
}

TEST(Block, HasHeaderAndFunctions) {
  EXPECT_EQ(Block(ExampleInterval(), {}),
            "kiln top  box  10:00:00  100 Hz  2.0 s  200 samples\n"
            "1.00 of 2 CPUs busy  99.5 % complete stacks  0 lost  kiln 1.2 % of a CPU\n"
            "the whole host, functions by self\n"
            "\n"
            " self%  total%     CPU  function   module             process\n"
            "  65.0    65.0    0.65  add        app                app (42) +1\n"
            "  25.0    25.0    0.25  read       [kernel.kallsyms]  app (42)\n"
            "  10.0    10.0    0.10  idle_work  [kernel.kallsyms]  kworker (2)\n"
            "   0.0    89.5    0.00  main       app                app (42) +1\n"
            "   0.0    49.5    0.00  work       app                app (42)\n"
            "   0.0    25.0    0.00  load       app                app (42)\n");
}

TEST(Block, HasProcessesOrThreads) {
  EXPECT_THAT(Block(ExampleInterval(), {.by = TopGrouping::kProcess}),
              HasSubstr("the whole host, processes by CPU\n"
                        "\n"
                        "   CPU       %      PID  process  hottest function\n"
                        "  0.75    75.0       42  app      add  [app]\n"
                        "  0.15    15.0       43  other    add  [app]\n"
                        "  0.10    10.0        2  kworker  idle_work  [kernel.kallsyms]\n"));
  EXPECT_THAT(Block(ExampleInterval(), {.by = TopGrouping::kThread}, 0, 2),
              HasSubstr("   CPU       %      PID      TID  thread     process  hottest function\n"
                        "  0.50    50.0       42       42  app        app      add  [app]\n"
                        "  0.25    25.0       42       77  worker-77  app      read  [kernel.kallsyms]\n"
                        "and 2 more threads\n"));
}

TEST(Block, HasTheTree) {
  EXPECT_THAT(Block(ExampleInterval(), {.tree = true}, 0, 3), HasSubstr("the whole host, call tree\n"
                                                                        "\n"
                                                                        " total%   self%  function\n"
                                                                        "  75.00    0.00  app (42)\n"
                                                                        "  74.50    0.00   main  [app]\n"
                                                                        "  49.50    0.00    work  [app]\n"
                                                                        "and 8 more lines of the tree\n"));
}

TEST(Block, TellsWhomItShows) {
  TopInterval interval = ExampleInterval();
  interval.target = "process 42";
  interval.lost = 1234;
  EXPECT_THAT(
      Block(interval, {.sort = TopSort::kTotal}),
      AllOf(HasSubstr("1.00 of 2 CPUs used "), HasSubstr("1,234 lost"), HasSubstr("process 42, functions by total\n")));
}

TEST(Block, SaysThatTheMachineWasIdle) {
  const std::string text = Block(IntervalOf({}), {});
  EXPECT_THAT(text, HasSubstr("0.00 of 2 CPUs busy  0 lost"));
  EXPECT_THAT(text, HasSubstr("nothing used the CPU in this interval: the machine was idle\n"));
  TopInterval of_process = IntervalOf({});
  of_process.target = "process 42";
  EXPECT_THAT(Block(of_process, {}), HasSubstr("process 42 used no CPU in this interval\n"));
}

TEST(Block, NeverTellsOfMoreCpusThanThereAre) {
  EXPECT_THAT(Block(IntervalOf({{{"main"}, 404}}), {}), HasSubstr("2.00 of 2 CPUs busy"));
}

TEST(Block, CountsTheKernelAsItsCallersWhereItIsHidden) {
  const std::string text = Block(ExampleInterval(), {.shows_kernel = false});
  EXPECT_THAT(text, HasSubstr("the whole host, functions by self, without kernel\n"));
  EXPECT_THAT(text, HasSubstr("  25.0    25.0    0.25  load "));
  EXPECT_THAT(text, HasSubstr("  10.0    10.0    0.10  [kernel] "));
  EXPECT_THAT(text, Not(HasSubstr("read")));
}

TEST(Block, FiltersRowsAndKeepsThePercentages) {
  const std::string text = Block(ExampleInterval(), {.filter = "KWORK"});
  EXPECT_THAT(text, HasSubstr("filter 'KWORK'"));
  EXPECT_THAT(text, HasSubstr("  10.0    10.0    0.10  idle_work"));
  EXPECT_THAT(text, Not(HasSubstr("add")));
  EXPECT_THAT(Block(ExampleInterval(), {.tree = true, .filter = "load"}),
              AllOf(HasSubstr("  25.00    0.00  main"), Not(HasSubstr("add"))));
  EXPECT_THAT(Block(ExampleInterval(), {.filter = "nowhere"}), HasSubstr("nothing matches the filter\n"));
  EXPECT_THAT(Block(ExampleInterval(), {.tree = true, .filter = "nowhere"}), HasSubstr("nothing matches the filter\n"));
}

TEST(Block, ShowsHostileNamesHarmlessly) {
  TopInterval interval = IntervalOf({{{"evil\x1b[2J\n\xff"}, 10, 42, "a\rb\x07"}});
  interval.host = "h\x1bst";
  interval.target = "threads named \x1b";
  for (const TopView& view : {TopView{}, TopView{.by = TopGrouping::kProcess}, TopView{.by = TopGrouping::kThread},
                              TopView{.tree = true}, TopView{.filter = "e\xe2\x80\x8e"}}) {
    const std::string text = Block(interval, view);
    EXPECT_EQ(std::ranges::count_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; }), 0);
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\x8e")));
  }
}

TEST(Screen, PutsKeysInTheLastLineAndTheTableBetween) {
  TopView view;
  const auto lines = Screen(ExampleInterval(), view, {.columns = 80, .rows = 12});
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_THAT(lines[0], StartsWith("kiln top  box  10:00:00"));
  EXPECT_THAT(lines[3], StartsWith(" self%  total%     CPU  function"));
  EXPECT_THAT(lines[4], StartsWith("  65.0    65.0    0.65  add"));
  EXPECT_THAT(lines[11], StartsWith("q quit"));
}

TEST(Screen, LeavesTheLessImportantOutOfSmallTerminals) {
  TopView view;
  const TopInterval interval = ExampleInterval();
  EXPECT_THAT(Screen(interval, view, {.columns = 80, .rows = 1}), ElementsAre(StartsWith("  65.0    65.0")));
  EXPECT_THAT(Screen(interval, view, {.columns = 80, .rows = 2}),
              ElementsAre(StartsWith("1.00 of 2 CPUs"), StartsWith("  65.0    65.0")));
  EXPECT_THAT(
      Screen(interval, view, {.columns = 80, .rows = 4}),
      ElementsAre(StartsWith("1.00 of 2 CPUs"), StartsWith(" self%"), StartsWith("  65.0"), StartsWith("  25.0")));
  EXPECT_THAT(Screen(interval, view, {.columns = 0, .rows = 9}), IsEmpty());
  EXPECT_THAT(Screen(interval, view, {.columns = 9, .rows = 0}), IsEmpty());
}

TEST(Screen, FitsEverySize) {
  TopInterval interval = IntervalOf({{{"名前名前名前名前名前", std::string(500, 'x')}, 10, 4194304, "プロセス"}});
  interval.host = std::string(300, 'h');
  interval.note = std::string(300, 'n');
  for (const auto& start : {TopView{}, TopView{.by = TopGrouping::kProcess}, TopView{.by = TopGrouping::kThread},
                            TopView{.tree = true}, TopView{.shows_help = true},
                            TopView{.edits_filter = true, .filter = "x"}, TopView{.message = std::string(300, 'm')}}) {
    for (size_t columns = 1; columns < 130; columns += columns < 30 ? 1 : 7) {
      for (size_t rows = 1; rows < 14; ++rows) {
        TopView view = start;
        (void)Screen(interval, view, {.columns = columns, .rows = rows});
      }
    }
  }
}

TEST(Screen, ShowsAPartOfTenThousandFunctions) {
  std::vector<TestSample> samples;
  for (int i = 0; i < 10'000; ++i) samples.push_back({{fmt::format("function_{}", i)}, 20'000 - i});
  const TopInterval interval = IntervalOf(samples);
  TopView view;
  const ScreenSize size{.columns = 100, .rows = 25};
  auto lines = Screen(interval, view, size);
  EXPECT_EQ(view.page_lines, 20u);
  EXPECT_THAT(lines[4], HasSubstr("function_0 "));
  EXPECT_THAT(lines[24], HasSubstr("1-20 of 10,000"));
  ApplyKey({KeyCode::kPageDown}, view);
  lines = Screen(interval, view, size);
  EXPECT_THAT(lines[4], HasSubstr("function_20 "));
  ApplyKey({KeyCode::kEnd}, view);
  lines = Screen(interval, view, size);
  EXPECT_EQ(view.first_line, 9980u);
  EXPECT_THAT(lines[23], HasSubstr("function_9999 "));
  EXPECT_THAT(lines[24], HasSubstr("9981-10000 of 10,000"));
}

TEST(Screen, ScrollsNoFurtherThanThereIs) {
  TopView view{.first_line = 1000};
  const auto lines = Screen(ExampleInterval(), view, {.columns = 80, .rows = 50});
  EXPECT_EQ(view.first_line, 0u);
  EXPECT_THAT(lines[4], HasSubstr("add"));
  view.first_line = 5;
  EXPECT_THAT(Screen(IntervalOf({}), view, {})[3], HasSubstr("idle"));
  EXPECT_EQ(view.first_line, 0u);
}

TEST(Screen, ShowsNoMoreLinesThanAskedFor) {
  TopView view;
  const auto lines = Screen(ExampleInterval(), view, {.columns = 80, .rows = 24}, 2);
  EXPECT_THAT(lines[5], HasSubstr("read"));
  EXPECT_EQ(lines[6], "");
  EXPECT_THAT(lines[23], HasSubstr("1-2 of 6"));
}

TEST(Screen, WaitsForTheFirstInterval) {
  TopView view;
  const auto lines = RenderScreen(nullptr, view, {.columns = 80, .rows = 24}, absl::UTCTimeZone(), kAll);
  EXPECT_EQ(lines[1].text, "the first interval is being sampled");
}

TEST(Screen, ShowsPauseFilterMessageAndNote) {
  TopInterval interval = ExampleInterval();
  interval.note = "kernel names are hidden";
  TopView view{.is_paused = true, .edits_filter = true, .filter = "ad"};
  auto lines = Screen(interval, view, {});
  EXPECT_THAT(lines[2], AllOf(HasSubstr("filter 'ad'"), HasSubstr("PAUSED")));
  EXPECT_EQ(lines[3], "note: kernel names are hidden");
  EXPECT_EQ(lines[23], "filter: ad_   Enter keeps it, Esc ends it");
  view = {.message = "no"};
  EXPECT_EQ(Screen(interval, view, {})[23], "no");
}

TEST(Screen, ShowsHelpWithKeysAndColumns) {
  TopView view{.shows_help = true};
  const auto lines = Screen(ExampleInterval(), view, {});
  EXPECT_THAT(lines, testing::Contains(StartsWith("q          quit")));
  EXPECT_THAT(lines, testing::Contains(StartsWith("CPU ")));
}

TEST(PaintScreen, ErasesBehindTextAndNothingBefore) {
  EXPECT_EQ(PaintScreen({{"ab"}, {"abcd"}}, {.columns = 4, .rows = 3}), "\x1b[Hab\x1b[K\r\nabcd\r\n\x1b[J");
  EXPECT_EQ(PaintScreen({{"ab"}, {"c"}}, {.columns = 4, .rows = 2}), "\x1b[Hab\x1b[K\r\nc\x1b[K");
  EXPECT_EQ(PaintScreen({}, {.columns = 4, .rows = 2}), "\x1b[H\x1b[J");
}

TEST(PaintScreen, FillsTheLineOfHeadings) {
  EXPECT_EQ(PaintScreen({{"名", LineStyle::kHeading}}, {.columns = 4, .rows = 1}), "\x1b[H\x1b[7m名  \x1b[0m");
}

}  // namespace
}  // namespace kiln::agent
