// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "agent/cli/hot_functions.h"
#include "agent/cli/report_summary.h"
#include "agent/cli/report_table.h"
#include "agent/cli/report_tree.h"
#include "agent/cli/terminal.h"
#include "profile/testing.h"

namespace kiln::agent {
namespace {

using profile::FrameType;
using profile::LocationIndex;
using profile::Profile;
using profile::ProfileBuilder;
using profile::StringIndex;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

HotFunction Find(const HotFunctions& hot, std::string_view name, std::string_view module) {
  for (const HotFunction& function : hot.functions) {
    if (function.name == name && function.module == module) return function;
  }
  ADD_FAILURE() << "no function " << name << " in " << module;
  return {};
}

// A profile from stacks of names, leaf first, all in /bin/app.
Profile FromStacks(const std::vector<std::pair<std::vector<std::string>, int64_t>>& stacks) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  const auto app = b.AddMapping({0, 0, 0, b.String("/bin/app"), StringIndex(0)});
  const auto process = b.AddAttributeSet({});
  for (const auto& [names, count] : stacks) {
    std::vector<LocationIndex> locations;
    for (const std::string& name : names) {
      const auto function = b.AddFunction({b.String(name), StringIndex(0), StringIndex(0), 0});
      locations.push_back(b.AddLocation({app, 0, FrameType::kNative, {{function, 0, 0}}}));
    }
    b.AddSample({b.AddStack(std::move(locations)), process, process, std::nullopt}, {{count}});
  }
  return std::move(b).Finish();
}

TEST(HotFunctions, CountsSelfAtTheLeafAndTotalAlongTheStack) {
  const HotFunctions hot = FindHotFunctions(profile::ExampleProfile());
  EXPECT_EQ(hot.samples, 100);
  const HotFunction add = Find(hot, "add(int)", "app");
  EXPECT_EQ(add.self, 77);
  EXPECT_EQ(add.total, 77);
  const HotFunction work = Find(hot, "work<int>(int)", "app");
  EXPECT_EQ(work.self, 0);  // add(int) was inlined into it and has the samples
  EXPECT_EQ(work.total, 77);
  EXPECT_EQ(Find(hot, "main", "app").total, 100);
  EXPECT_EQ(Find(hot, "vfs_read", "[kernel.kallsyms]").self, 20);
  EXPECT_EQ(hot.functions.front().name, "add(int)");
}

TEST(HotFunctions, NamesCodeWithoutAName) {
  const HotFunctions hot = FindHotFunctions(profile::ExampleProfile());
  EXPECT_EQ(Find(hot, "[libc.so.6+0x30020]", "libc.so.6").self, 1);
}

TEST(HotFunctions, LeavesTheMarkOfACutStackOutUnlessItIsAllThereIs) {
  for (const HotFunction& function : FindHotFunctions(profile::ExampleProfile()).functions) {
    EXPECT_THAT(function.name, Not(HasSubstr("truncated")));
  }
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  const auto mark = b.AddFunction({b.String("[truncated: no mapping]"), StringIndex(0), StringIndex(0), 0});
  const auto at = b.AddLocation({std::nullopt, 0, FrameType::kTruncated, {{mark, 0, 0}}});
  const auto none = b.AddAttributeSet({});
  b.AddSample({b.AddStack({at}), none, none, std::nullopt}, {{3}});
  EXPECT_EQ(Find(FindHotFunctions(std::move(b).Finish()), "[truncated: no mapping]", "").self, 3);
}

TEST(HotFunctions, CountsRecursionOncePerStack) {
  const HotFunctions hot = FindHotFunctions(FromStacks({{{"fib", "fib", "fib", "main"}, 10}, {{"fib", "main"}, 5}}));
  EXPECT_EQ(Find(hot, "fib", "app").total, 15);
  EXPECT_EQ(Find(hot, "fib", "app").self, 15);
}

TEST(HotFunctions, SumsStopAtTheLimit) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const HotFunctions hot = FindHotFunctions(FromStacks({{{"a", "main"}, kMost}, {{"b", "main"}, kMost}}));
  EXPECT_EQ(hot.samples, kMost);
  EXPECT_EQ(Find(hot, "main", "app").total, kMost);
}

TEST(FunctionTable, PrintsTheHottestFirst) {
  const auto lines = Lines(RenderFunctionTable(profile::ExampleProfile(), {.rows = 2}));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "  self%  total%  function  module");
  EXPECT_EQ(lines[1], "  77.00   77.00  add(int)  app");
  EXPECT_EQ(lines[2], "  20.00   20.00  vfs_read  [kernel.kallsyms]");
  EXPECT_EQ(lines[3], "   3.00          in 5 more functions");
}

TEST(FunctionTable, FitsTheTerminal) {
  const Profile p =
      FromStacks({{{std::string(500, 'f'), "函数函数函数函数函数函数函数函数函数函数函数函数函数函数"}, 1}});
  for (const size_t width : {1, 40, 60, 80, 200}) {
    for (const std::string& line : Lines(RenderFunctionTable(p, {.width = width}))) {
      EXPECT_LE(DisplayWidth(line), std::max<size_t>(width, 40)) << line;
    }
  }
  EXPECT_THAT(RenderFunctionTable(p, {.width = 80}), HasSubstr("f…  app"));
  EXPECT_THAT(RenderFunctionTable(p, {}), HasSubstr(std::string(500, 'f')));
}

TEST(FunctionTable, DisarmsNames) {
  const std::string text = RenderFunctionTable(FromStacks({{{"\x1b]0;owned\x07"}, 1}}), {});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\x07")));
}

TEST(FunctionTable, SaysWhenThereAreNoSamples) {
  EXPECT_EQ(RenderFunctionTable(FromStacks({}), {}), "no samples\n");
  EXPECT_EQ(RenderCallTree(FromStacks({}), {}), "no samples\n");
}

TEST(Summary, TellsWhenWhatAndWhatIsMissing) {
  EXPECT_EQ(RenderProfileSummary(profile::ExampleProfile(), 0),
            "recorded  2023-11-14 22:13:20 UTC, 10.0 s\n"
            "samples   100 samples at 99 Hz, 4 distinct stacks, 2 processes, 0 lost\n"
            "complete  98.00 % of the stacks; the others: 2.00 % bad frame pointer\n");
}

TEST(Summary, TellsTargetHostNamesAndWhateverElseTheProfileKnows) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("cpu", "nanoseconds")});
  b.SetPeriod(b.Type("cycles", "count"), 1'000'000);
  const std::vector<profile::AttributeIndex> properties = {b.AddAttribute("kiln.samples.lost", 1234),
                                                           b.AddAttribute("kiln.samples.lost.ring_full", 1234),
                                                           b.AddAttribute("kiln.target", "process 7"),
                                                           b.AddAttribute("kiln.host", "web-1"),
                                                           b.AddAttribute("kiln.kernel", "6.1 x86_64"),
                                                           b.AddAttribute("kiln.frames", 200),
                                                           b.AddAttribute("kiln.zero", 0),
                                                           b.AddAttribute("kiln.frames.unnamed: file is stripped", 30),
                                                           b.AddAttribute("kiln.frames.native", 100),
                                                           b.AddAttribute("kiln.frames.without_lines: too large", 25)};
  b.SetProperties(b.AddAttributeSet(properties));
  EXPECT_EQ(RenderProfileSummary(std::move(b).Finish(), 0),
            "recorded  process 7, on web-1 (Linux 6.1 x86_64)\n"
            "samples   0 cpu in nanoseconds, one per 1,000,000 cycles, 0 distinct stacks, 0 processes, "
            "1,234 lost\n"
            "complete  0 % of the stacks\n"
            "named     85.00 % of the frames; the others: 15.00 % file is stripped\n"
            "lines     75.00 % of the native frames; the others: 25.00 % too large\n"
            "kiln.samples.lost.ring_full  1,234\n");
}

TEST(CallTree, GoesFromTheRootByCost) {
  const auto lines = Lines(RenderCallTree(
      FromStacks({{{"c", "b", "main"}, 60}, {{"b", "main"}, 10}, {{"d", "main"}, 29}, {{"rare", "main"}, 1}}),
      {.cut_off_percent = 2}));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], " total%   self%  function");
  EXPECT_EQ(lines[1], " 100.00    0.00  main  [app]");
  EXPECT_EQ(lines[2], "  70.00   10.00   b  [app]");
  EXPECT_EQ(lines[3], "  60.00   60.00    c  [app]");
  EXPECT_EQ(lines[4], "  29.00   29.00   d  [app]");
}

TEST(CallTree, DoesNotIndentAChain) {
  const std::string text = RenderCallTree(FromStacks({{{"c", "b", "a"}, 5}}), {});
  EXPECT_THAT(text, HasSubstr("  a  [app]\n"));
  EXPECT_THAT(text, HasSubstr("  b  [app]\n"));
  EXPECT_THAT(text, HasSubstr(" 100.00  c  [app]\n"));
}

TEST(CallTree, ShowsProcessesInlinedFunctionsAndCuts) {
  const std::string text = RenderCallTree(profile::ExampleProfile(), {.cut_off_percent = 0});
  EXPECT_THAT(text, HasSubstr("  99.00    0.00  app (42)\n"));
  EXPECT_THAT(text, HasSubstr("   1.00    0.00  other (43)\n"));
  EXPECT_THAT(text, HasSubstr("[truncated: bad frame pointer]\n"));
  EXPECT_THAT(text, HasSubstr("work<int>(int)  [app]\n"));
  EXPECT_THAT(text, HasSubstr("add(int)  [app]\n"));
}

TEST(CallTree, TakesVeryDeepStacks) {
  std::vector<std::string> names;
  for (int depth = 0; depth < 20'000; ++depth) names.push_back(fmt::format("f{}", depth % 7));
  const auto lines = Lines(RenderCallTree(FromStacks({{names, 1}, {{"other"}, 1}}), {.width = 80}));
  EXPECT_EQ(lines.size(), 20'002u);
  for (const std::string& line : lines) EXPECT_LE(DisplayWidth(line), 80u);
}

TEST(Numbers, AreReadable) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(-1234567), "-1,234,567");
  EXPECT_EQ(WithThousands(-123), "-123");
  EXPECT_EQ(Percent(1, 3), "33.33");
  EXPECT_EQ(Percent(1, 0), "0");
  EXPECT_EQ(BaseName("/usr/lib/libc.so.6"), "libc.so.6");
  EXPECT_EQ(BaseName("[vdso]"), "[vdso]");
  EXPECT_EQ(BaseName("folder/"), "folder/");
}

}  // namespace
}  // namespace kiln::agent
