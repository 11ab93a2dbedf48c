// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/jit_names.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "symbolizer/testing/jitdump_builder.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;
using symbolizer::testing::JitDumpBuilder;
using Kind = JitFile::Kind;

class JitNamesTest : public ::testing::Test {
 protected:
  JitNamesTest() : folder_(::testing::TempDir() + "/jit_names_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~JitNamesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void Append(const std::string& name, std::string_view text) { std::ofstream(Path(name), std::ios::app) << text; }
  JitFile Add(Kind kind, const std::string& name, std::string_view text) {
    Append(name, text);
    return {.kind = kind,
            .writer = {1234},
            .path = "/" + name,
            .file = std::make_shared<const File>(*File::Open(Path(name)))};
  }
  // "name (path)", or the reason.
  static std::string Find(JitNames& names, const JitFiles& files, uint64_t address) {
    const JitNames::Found found = names.Find(files, ProcessAddress(address));
    EXPECT_EQ(found.lines.empty(), found.miss != Miss::kNone);
    if (found.lines.empty()) return std::string(symbolizer::MissName(found.miss));
    return fmt::format("{} ({})", found.lines.front().name, found.path);
  }
  static std::string FindInNewWindow(JitNames& names, const JitFiles& files, uint64_t address) {
    names.BeginWindow();
    std::string found = Find(names, files, address);
    names.EndWindow(1 << 20);
    return found;
  }

  std::string folder_;
};

TEST_F(JitNamesTest, AsksOneFileAfterTheOther) {
  JitFiles files;
  files.files = {Add(Kind::kJitDump, "dump", JitDumpBuilder().Header().Load(0x1000, 0x10, "f").Take()),
                 Add(Kind::kPerfMap, "map", "1000 10 other\n2000 10 g\n")};
  JitNames names;
  names.BeginWindow();
  EXPECT_EQ(Find(names, files, 0x1000), "f (/dump)");
  EXPECT_EQ(Find(names, files, 0x2000), "g (/map)");
  EXPECT_EQ(Find(names, files, 0x3000), "no symbol at the address");
  EXPECT_EQ(names.Find(files, ProcessAddress(0x3000)).path, "/dump");
}

TEST_F(JitNamesTest, WithoutAFileTheReasonIsThatOfTheSearch) {
  JitNames names;
  EXPECT_EQ(FindInNewWindow(names, {}, 0x1000), "no perf map");
  EXPECT_EQ(FindInNewWindow(names, {.miss = Miss::kJitFileForeign}, 0x1000),
            "perf map or jitdump is another user's or process's");
}

TEST_F(JitNamesTest, TakesInWhatWasAddedOncePerWindow) {
  JitFiles files;
  files.files = {Add(Kind::kPerfMap, "map", "1000 10 f\n")};
  JitNames names;
  names.BeginWindow();
  EXPECT_EQ(Find(names, files, 0x1000), "f (/map)");
  Append("map", "1000 10 g\n");
  EXPECT_EQ(Find(names, files, 0x1000), "f (/map)");
  names.EndWindow(1 << 20);
  EXPECT_EQ(FindInNewWindow(names, files, 0x1000), "g (/map)");
}

TEST_F(JitNamesTest, WhatCanNotBeUsedHasAReason) {
  JitNames names;
  const std::tuple<Kind, std::string, std::string> kCases[] = {
      {Kind::kPerfMap, std::string(symbolizer::PerfMap::kMaxNoise + 1, '\n'), "perf map or jitdump is damaged"},
      {Kind::kJitDump, "no jitdump at all, but of more than forty bytes", "perf map or jitdump is damaged"},
      {Kind::kJitDump, JitDumpBuilder().Header({.machine = EM_S390}).Take(), "perf map or jitdump is damaged"},
      {Kind::kJitDump, JitDumpBuilder().Header({.pid = 5}).Load(0x1000, 0x10, "f").Take(),
       "perf map or jitdump is another user's or process's"},
      {Kind::kPerfMap, "", "no symbol at the address"},
      {Kind::kJitDump, "", "no symbol at the address"},
  };
  int i = 0;
  for (const auto& [kind, text, reason] : kCases) {
    JitFiles files;
    files.files = {Add(kind, std::to_string(i++), text)};
    EXPECT_EQ(FindInNewWindow(names, files, 0x1000), reason) << i;
  }
}

TEST_F(JitNamesTest, AFileOfGigabytesCostsLittle) {
  JitFiles files;
  // Lines at its begin, then a hole.
  files.files = {Add(Kind::kPerfMap, "map", "1000 10 f\n"),
                 Add(Kind::kJitDump, "dump", JitDumpBuilder().Header().Take())};
  std::filesystem::resize_file(Path("map"), uint64_t{4} << 30);
  std::filesystem::resize_file(Path("dump"), uint64_t{4} << 30);
  JitNames names;
  EXPECT_EQ(FindInNewWindow(names, files, 0x1000), "f (/map)");
  EXPECT_EQ(FindInNewWindow(names, files, 0x2000), "perf map or jitdump is damaged");
  EXPECT_LT(names.memory_bytes(), 100'000u);
}

TEST_F(JitNamesTest, AFileThatIsCutKeepsNothingAndDoesNotFail) {
  JitFiles files;
  files.files = {Add(Kind::kPerfMap, "map", "1000 10 f\n")};
  JitNames names;
  EXPECT_EQ(FindInNewWindow(names, files, 0x1000), "f (/map)");
  std::filesystem::resize_file(Path("map"), 0);
  EXPECT_EQ(FindInNewWindow(names, files, 0x1000), "no symbol at the address");
  Append("map", "2000 10 g\n");
  EXPECT_EQ(FindInNewWindow(names, files, 0x2000), "g (/map)");
}

TEST_F(JitNamesTest, ForgetsFilesWhoseProcessesAreGone) {
  JitNames names;
  JitFiles files;
  files.files = {Add(Kind::kPerfMap, "map", "1000 10 f\n")};
  EXPECT_EQ(FindInNewWindow(names, files, 0x1000), "f (/map)");
  EXPECT_GT(names.memory_bytes(), 0u);
  for (int i = 0; i < 3; ++i) FindInNewWindow(names, {}, 0x1000);
  EXPECT_GT(names.memory_bytes(), 0u);
  files = {};
  FindInNewWindow(names, {}, 0x1000);
  EXPECT_EQ(names.memory_bytes(), 0u);
}

TEST_F(JitNamesTest, ForgetsTheLargestFirst) {
  JitNames names;
  JitFiles small, large;
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += fmt::format("{:x}0 10 f{}\n", i, i);
  small.files = {Add(Kind::kPerfMap, "small", "1000 10 f\n")};
  large.files = {Add(Kind::kPerfMap, "large", text)};
  names.BeginWindow();
  Find(names, small, 0x1000);
  Find(names, large, 0x1000);
  names.EndWindow(50'000);
  EXPECT_GT(names.memory_bytes(), 0u);
  EXPECT_LT(names.memory_bytes(), 50'000u);
  EXPECT_EQ(FindInNewWindow(names, large, 0x1000), "f256 (/large)");
}

}  // namespace
}  // namespace kiln::agent
