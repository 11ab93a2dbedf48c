// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/perf_map.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "base/file.h"
#include "symbolizer/string_table.h"

namespace kiln::symbolizer {
namespace {

std::string NameAt(const PerfMap& map, uint64_t address) {
  const Naming naming = map.Lookup(ProcessAddress(address));
  EXPECT_EQ(naming.lines.empty(), naming.miss == Miss::kNotCovered);
  return naming.lines.empty() ? "" : naming.lines[0].name;
}

TEST(PerfMapTest, NamesAddresses) {
  const auto map = PerfMap::Parse(
      "7f0000001000 40 LazyCompile:~add /app/index.js:12:3\n"
      "0x7f0000002000 0x10 Ljava/lang/String;::hashCode\n"
      "7F0000003000  8   name with blanks  \n"
      "7f0000004000 20 _ZN4wasm3fooEv\n"
      "7f0000005000 20 js.part.0@2\r\n");
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->size(), 5u);
  EXPECT_EQ(map->damaged_lines(), 0u);
  EXPECT_EQ(NameAt(*map, 0x7f0000000fff), "");
  EXPECT_EQ(NameAt(*map, 0x7f0000001000), "LazyCompile:~add /app/index.js:12:3");
  EXPECT_EQ(NameAt(*map, 0x7f000000103f), "LazyCompile:~add /app/index.js:12:3");
  EXPECT_EQ(NameAt(*map, 0x7f0000001040), "");
  EXPECT_EQ(NameAt(*map, 0x7f0000002008), "Ljava/lang/String;::hashCode");
  EXPECT_EQ(NameAt(*map, 0x7f0000003000), "name with blanks  ");
  EXPECT_EQ(NameAt(*map, 0x7f0000004000), "wasm::foo()");
  EXPECT_EQ(NameAt(*map, 0x7f0000005000), "js.part.0@2");  // of no compiler that makes parts
}

TEST(PerfMapTest, LaterLinesReplaceEarlierOnes) {
  const auto map = PerfMap::Parse("1000 100 old\n1040 20 inner\n10f0 80 behind\n1000 10 new\n1040 20 again\n");
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(NameAt(*map, 0x1000), "new");
  EXPECT_EQ(NameAt(*map, 0x1010), "old");
  EXPECT_EQ(NameAt(*map, 0x1050), "again");
  EXPECT_EQ(NameAt(*map, 0x1060), "old");
  EXPECT_EQ(NameAt(*map, 0x10f0), "behind");
  EXPECT_EQ(NameAt(*map, 0x116f), "behind");
  EXPECT_EQ(NameAt(*map, 0x1170), "");
}

TEST(PerfMapTest, DoesNotTakeALineThatIsBeingWritten) {
  const auto map = PerfMap::Parse("1000 10 whole\n2000 10 hal");
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(NameAt(*map, 0x2000), "");
  EXPECT_EQ(map->size(), 1u);
  EXPECT_EQ(map->damaged_lines(), 0u);
}

TEST(PerfMapTest, CountsDamagedLines) {
  const std::string_view kDamaged[] = {
      "",
      "foo",
      "1000",
      "1000 10",
      "1000 10 ",
      "1000 zz name",
      "zz 10 name",
      "-1000 10 name",
      "1000 0 empty",
      "ffffffffffffffff 10 overflow",
      "10000000000000000 10 too_many_digits",
      "1000,10,name",
      std::string_view("1000 10 a\0b", 11),
  };
  for (const std::string_view line : kDamaged) {
    const auto map = PerfMap::Parse(std::string(line) + "\n5000 10 good\n");
    ASSERT_TRUE(map.ok());
    EXPECT_EQ(map->damaged_lines(), 1u) << line;
    EXPECT_EQ(map->size(), 1u) << line;
    EXPECT_EQ(NameAt(*map, 0x5000), "good") << line;
  }
}

TEST(PerfMapTest, EmptyCoversNothing) { EXPECT_EQ(NameAt(*PerfMap::Parse(""), 0x1000), ""); }

TEST(PerfMapTest, ForgetsTheNamesOfReplacedCode) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += fmt::format("1000 10 {}{}\n", std::string(100, 'x'), i);
  const auto map = PerfMap::Parse(text);
  ASSERT_TRUE(map.ok());
  EXPECT_LT(map->memory_bytes(), text.size() / 10);
  EXPECT_EQ(NameAt(*map, 0x1000), std::string(100, 'x') + "9999");
}

// A file that a test changes while it is open.
class ChangingFile {
 public:
  ChangingFile() : path_(::testing::TempDir() + "/perf_map_test.map") {
    ::unlink(path_.c_str());
    Append("");
  }
  void Append(std::string_view text) { std::ofstream(path_, std::ios::app) << text; }
  void Rewrite(std::string_view text) { std::ofstream(path_, std::ios::trunc) << text; }
  void Resize(uint64_t size) { ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0); }
  File Open() { return *File::Open(path_); }

 private:
  std::string path_;
};

TEST(PerfMapTest, GoesOnWhereReadingEnded) {
  ChangingFile changing;
  const File file = changing.Open();
  PerfMap map;
  EXPECT_TRUE(map.Update(file).ok());
  changing.Append("1000 10 foo\n2000 10 ba");
  EXPECT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x1000), "foo");
  EXPECT_EQ(NameAt(map, 0x2000), "");
  EXPECT_EQ(map.read_bytes(), 12u);
  changing.Append("r\n1000 10 again\n");
  EXPECT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x1000), "again");
  EXPECT_EQ(NameAt(map, 0x2000), "bar");
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.damaged_lines(), 0u);
}

TEST(PerfMapTest, AFileThatIsWrittenAnewIsReadFromItsBegin) {
  ChangingFile changing;
  const File file = changing.Open();
  PerfMap map;
  changing.Append("1000 10 foo\n2000 10 bar\n");
  ASSERT_TRUE(map.Update(file).ok());
  changing.Rewrite("3000 10 shorter\n");
  ASSERT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x1000), "");
  EXPECT_EQ(NameAt(map, 0x3000), "shorter");
  changing.Rewrite("4000 10 longer\n5000 10 than it was before\n");
  ASSERT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x3000), "");
  EXPECT_EQ(NameAt(map, 0x4000), "longer");
  EXPECT_EQ(map.size(), 2u);
  changing.Resize(0);
  ASSERT_TRUE(map.Update(file).ok());
  EXPECT_EQ(map.size(), 0u);
}

TEST(PerfMapTest, BearsAFileThatChangesWhileItIsRead) {
  ChangingFile changing;
  changing.Append("1000 10 foo\n");
  const File file = changing.Open();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::string lines;
    for (int i = 0; i < 20'000; ++i) lines += fmt::format("{:x}0 10 f{}\n", i + 0x1000, i);
    for (int i = 0; i < 50; ++i) {
      changing.Rewrite(lines);
      changing.Append(lines);
      changing.Resize(lines.size() / 3);
      changing.Resize(3 * lines.size());
    }
    changing.Rewrite("1000 10 last\n");
    done = true;
  });
  PerfMap map;
  size_t rounds = 0;
  for (; !done; ++rounds) {
    const Status status = map.Update(file);
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
  writer.join();
  EXPECT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x1000), "last");
  EXPECT_EQ(map.size(), 1u) << rounds;
}

TEST(PerfMapTest, AFileOfSomethingElseIsGivenUpSoon) {
  ChangingFile changing;
  changing.Resize(uint64_t{8} << 30);  // sparse
  const File file = changing.Open();
  PerfMap map;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(map.Update(file).code(), absl::StatusCode::kDataLoss);
  EXPECT_LT(map.read_bytes(), 2 * PerfMap::kMaxNoise);
  EXPECT_LT(map.memory_bytes(), 1000u);
  changing.Rewrite("1000 10 foo\n");
  EXPECT_TRUE(map.Update(file).ok());
  EXPECT_EQ(NameAt(map, 0x1000), "foo");
}

TEST(PerfMapTest, WhatWasReadBeforeALimitStays) {
  ChangingFile changing;
  changing.Append("1000 10 foo\n2000 10 bar\n");
  const File file = changing.Open();
  PerfMap map({.max_file_bytes = 15});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(map.Update(file).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(NameAt(map, 0x1000), "foo");
  EXPECT_EQ(NameAt(map, 0x2000), "");
}

TEST(PerfMapTest, MemoryHasALimit) {
  ChangingFile changing;
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += fmt::format("{:x}0 10 {}\n", i, std::string(100, 'x'));
  changing.Append(text);
  const File file = changing.Open();
  PerfMap map({.max_memory_bytes = 100'000});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(map.Update(file).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LT(map.memory_bytes(), 200'000u);
  EXPECT_NE(NameAt(map, 0x10), "");
}

TEST(PerfMapTest, LongLinesArePassedOver) {
  ChangingFile changing;
  const std::string name(kMaxSymbolNameBytes, 'n');
  changing.Append("1000 10 first\n2000 10 " + std::string(1'000'000, 'x') + "\n3000 10 " + name + name.substr(0, 99) +
                  "\n4000 10 last\n5000 10 " + std::string(500'000, 'y'));
  const File file = changing.Open();
  PerfMap map;
  ASSERT_TRUE(map.Update(file).ok());
  EXPECT_EQ(map.damaged_lines(), 1u);
  EXPECT_EQ(NameAt(map, 0x1000), "first");
  EXPECT_EQ(NameAt(map, 0x2000), "");
  EXPECT_EQ(NameAt(map, 0x3000), name);
  EXPECT_EQ(NameAt(map, 0x4000), "last");
  changing.Append("\n6000 10 next\n");
  ASSERT_TRUE(map.Update(file).ok());
  EXPECT_EQ(map.damaged_lines(), 2u);
  EXPECT_EQ(NameAt(map, 0x5000), "");
  EXPECT_EQ(NameAt(map, 0x6000), "next");
}

TEST(PerfMapTest, ReadsWhatTheFileHasNow) {
  const std::string path = ::testing::TempDir() + "/perf_map_test.map";
  ASSERT_TRUE(WriteFileAtomically(path, "1000 10 foo\n").ok());
  const StatusOr<File> file = File::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(NameAt(*PerfMap::Read(*file), 0x1000), "foo");
  EXPECT_EQ(PerfMap::Read(*file, {.max_file_bytes = 11}).status().code(), absl::StatusCode::kResourceExhausted);
  FILE* writer = std::fopen(path.c_str(), "a");
  std::fputs("2000 10 bar\n", writer);
  std::fclose(writer);
  EXPECT_EQ(NameAt(*PerfMap::Read(*file), 0x2000), "bar");
}

}  // namespace
}  // namespace kiln::symbolizer
