// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/generated_code.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace kiln::symbolizer {
namespace {

std::string At(const GeneratedCode& code, uint64_t address) {
  const Naming naming = code.Lookup(ProcessAddress(address));
  if (naming.lines.empty()) return "";
  const SourceLine& line = naming.lines.front();
  return line.file.empty() && line.line == 0 ? line.name : fmt::format("{} {}:{}", line.name, line.file, line.line);
}

TEST(GeneratedCodeTest, NewCodeReplacesWhatItCovers) {
  GeneratedCode code;
  EXPECT_TRUE(code.Add(0x1000, 0x100, "old"));
  EXPECT_TRUE(code.Add(0x1040, 0x20, "inner"));
  EXPECT_TRUE(code.Add(0x10f0, 0x80, "behind"));
  EXPECT_EQ(At(code, 0xfff), "");
  EXPECT_EQ(At(code, 0x1000), "old");
  EXPECT_EQ(At(code, 0x105f), "inner");
  EXPECT_EQ(At(code, 0x1060), "old");
  EXPECT_EQ(At(code, 0x10f0), "behind");
  EXPECT_EQ(At(code, 0x1170), "");
  EXPECT_TRUE(code.Add(0x1000, 0x200, "all"));
  EXPECT_EQ(code.ranges(), 1u);
}

TEST(GeneratedCodeTest, LinesReachToTheNextOne) {
  GeneratedCode code;
  const uint32_t file = code.AddFile("a.js");
  EXPECT_EQ(code.AddFile("a.js"), file);
  const uint32_t other = code.AddFile("b.js");
  const GeneratedCode::Line kLines[] = {{0x0f00, 1, file}, {0x1010, 7, file},  {0x1018, 7, file},
                                        {0x1020, 8, file}, {0x1020, 9, other}, {0x1100, 99, file}};
  EXPECT_TRUE(code.Add(0x1000, 0x100, "f", kLines));
  EXPECT_EQ(At(code, 0x1000), "f");
  EXPECT_EQ(At(code, 0x1010), "f a.js:7");
  EXPECT_EQ(At(code, 0x101f), "f a.js:7");
  EXPECT_EQ(At(code, 0x1020), "f b.js:9");
  EXPECT_EQ(At(code, 0x10ff), "f b.js:9");
  EXPECT_EQ(code.ranges(), 3u);
}

TEST(GeneratedCodeTest, MovedCodeTakesItsLinesAlong) {
  GeneratedCode code;
  const GeneratedCode::Line kLines[] = {{0x1000, 1, code.AddFile("a")}, {0x1080, 2, code.AddFile("a")}};
  code.Add(0x1000, 0x100, "f", kLines);
  code.Add(0x1100, 0x100, "g");
  code.Add(0x2000, 0x200, "there");
  EXPECT_EQ(code.Move(0x1000, 0x2010, 0x100), 2u);
  EXPECT_EQ(At(code, 0x1000), "");
  EXPECT_EQ(At(code, 0x1100), "g");
  EXPECT_EQ(At(code, 0x200f), "there");
  EXPECT_EQ(At(code, 0x2010), "f a:1");
  EXPECT_EQ(At(code, 0x2090), "f a:2");
  EXPECT_EQ(At(code, 0x2110), "there");
  EXPECT_EQ(code.Move(0x2010, 0x2090, 0x100), 2u);  // onto itself
  EXPECT_EQ(At(code, 0x2010), "");
  EXPECT_EQ(At(code, 0x2090), "f a:1");
  EXPECT_EQ(At(code, 0x2110), "f a:2");
  EXPECT_EQ(At(code, 0x2190), "there");
  EXPECT_EQ(code.Move(0x9000, 0x1000, 0x100), 0u);
  EXPECT_EQ(At(code, 0x1100), "g");
}

TEST(GeneratedCodeTest, RefusesWhatIsNoRangeOrNoName) {
  GeneratedCode code;
  EXPECT_FALSE(code.Add(0x1000, 0, "empty"));
  EXPECT_FALSE(code.Add(UINT64_MAX, 1, "overflow"));
  EXPECT_FALSE(code.Add(0, GeneratedCode::kMaxBytes + 1, "huge"));
  EXPECT_FALSE(code.Add(0x1000, 1, ""));
  EXPECT_FALSE(code.Add(0x1000, 1, std::string_view("a\0b", 3)));
  EXPECT_TRUE(code.empty());
  EXPECT_TRUE(code.Add(UINT64_MAX - 1, 1, "last"));
  EXPECT_EQ(At(code, UINT64_MAX - 1), "last");
  EXPECT_EQ(At(code, UINT64_MAX), "");
}

TEST(GeneratedCodeTest, ForgetsTheNamesOfReplacedCode) {
  GeneratedCode code;
  size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(code.Add(0x1000, 0x10, fmt::format("{}{}", std::string(100, 'x'), i)));
    most = std::max(most, code.memory_bytes());
  }
  EXPECT_EQ(At(code, 0x1000), std::string(100, 'x') + "99999");
  EXPECT_LT(most, size_t{1} << 20);
}

// Against a table of single addresses.
TEST(GeneratedCodeTest, AgreesWithATableOfAddresses) {
  constexpr uint64_t kAddresses = 256;
  std::minstd_rand random(1);
  GeneratedCode code;
  std::map<uint64_t, std::string> table;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t start = random() % kAddresses;
    const uint64_t size = 1 + random() % 16;
    if (random() % 4 != 0) {
      const std::string name = fmt::format("f{}", i);
      ASSERT_TRUE(code.Add(start, size, name));
      for (uint64_t a = start; a < start + size; ++a) table[a] = name;
    } else {
      const uint64_t to = random() % kAddresses;
      std::map<uint64_t, std::string> moved;
      for (uint64_t a = start; a < start + size; ++a) {
        if (const auto found = table.find(a); found != table.end()) moved[a - start + to] = found->second;
      }
      if (code.Move(start, to, size) > 0) {
        ASSERT_NE(start, to);
        for (uint64_t a = start; a < start + size; ++a) table.erase(a);
        for (uint64_t a = to; a < to + size; ++a) table.erase(a);
        table.insert(moved.begin(), moved.end());
      }
    }
    const uint64_t probe = random() % (kAddresses + 32);
    ASSERT_EQ(At(code, probe), table.contains(probe) ? table[probe] : "") << i;
  }
}

}  // namespace
}  // namespace kiln::symbolizer
