// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/jitdump.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "symbolizer/testing/jitdump_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::JitDumpBuilder;

class JitDumpTest : public ::testing::Test {
 protected:
  JitDumpTest() : path_(::testing::TempDir() + "/jitdump_test.dump") { ::unlink(path_.c_str()); }
  File Write(std::string_view bytes) {
    std::ofstream(path_, std::ios::trunc) << bytes;
    return *File::Open(path_);
  }
  void Append(std::string_view bytes) { std::ofstream(path_, std::ios::app) << bytes; }
  StatusOr<JitDump> Read(const JitDumpBuilder& builder, const JitDumpLimits& limits = {}) {
    return JitDump::Read(Write(builder.bytes()), limits);
  }
  static std::string At(const JitDump& dump, uint64_t address) {
    const Naming naming = dump.Lookup(ProcessAddress(address));
    EXPECT_EQ(naming.lines.empty(), naming.miss == Miss::kNotCovered);
    if (naming.lines.empty()) return "";
    const SourceLine& line = naming.lines.front();
    return line.file.empty() ? line.name : fmt::format("{} {}:{}", line.name, line.file, line.line);
  }

  std::string path_;
};

TEST_F(JitDumpTest, NamesFunctions) {
  const auto dump = Read(JitDumpBuilder()
                             .Header()
                             .Load(0x1000, 0x40, "Foo::bar")
                             .Load(0x2000, 0x40, "_ZN4wasm3fooEv")
                             .Load(0x1020, 0x10, "later"));
  ASSERT_TRUE(dump.ok()) << dump.status();
  EXPECT_EQ(dump->pid(), Pid{1234});
  EXPECT_EQ(dump->size(), 3u);
  EXPECT_EQ(dump->damaged_records(), 0u);
  EXPECT_EQ(At(*dump, 0xfff), "");
  EXPECT_EQ(At(*dump, 0x1000), "Foo::bar");
  EXPECT_EQ(At(*dump, 0x1020), "later");
  EXPECT_EQ(At(*dump, 0x103f), "Foo::bar");
  EXPECT_EQ(At(*dump, 0x2000), "wasm::foo()");
}

TEST_F(JitDumpTest, LinesComeBeforeTheirFunction) {
  const auto dump = Read(JitDumpBuilder()
                             .Header()
                             .DebugInfo(0x1000, {{0x1020, 12, "A.java"}, {0x1008, 11, "\xff"}, {0x1030, 3, "B.java"}})
                             .DebugInfo(0x3000, {{0x3000, 1, "C.java"}})
                             .Load(0x1000, 0x40, "f")
                             .Load(0x2000, 0x40, "g")
                             .Load(0x3000, 0x40, "h"));
  ASSERT_TRUE(dump.ok());
  EXPECT_EQ(At(*dump, 0x1000), "f");
  EXPECT_EQ(At(*dump, 0x1008), "f A.java:11");
  EXPECT_EQ(At(*dump, 0x1020), "f A.java:12");
  EXPECT_EQ(At(*dump, 0x103f), "f B.java:3");
  EXPECT_EQ(At(*dump, 0x2000), "g");
  EXPECT_EQ(At(*dump, 0x3000), "h C.java:1");
  EXPECT_EQ(dump->damaged_lines(), 0u);
}

TEST_F(JitDumpTest, TakesBackWhatV8AddsToAddresses) {
  const auto dump = Read(JitDumpBuilder()
                             .Header()
                             .DebugInfo(0x1000, {{0x1040, 1, "a.js"}, {0x1050, 2, "\xff"}})
                             .Load(0x1000, 0x20, "JS:*f a.js:1:2")
                             .DebugInfo(0x2000, {{0x2040, 1, "A.java"}, {0x2050, 2, "\xff"}})
                             .Load(0x2000, 0x80, "A.f"));
  EXPECT_EQ(At(*dump, 0x1000), "JS:*f a.js:1:2 a.js:1");
  EXPECT_EQ(At(*dump, 0x1010), "JS:*f a.js:1:2 a.js:2");
  EXPECT_EQ(At(*dump, 0x2000), "A.f");
  EXPECT_EQ(At(*dump, 0x2040), "A.f A.java:1");
}

TEST_F(JitDumpTest, LinesThatCanNotBeRightAreDropped) {
  const std::vector<JitDumpBuilder::Entry> kWrong[] = {
      {{0x0fff, 1, "before"}},        {{0x1041, 1, "behind"}}, {{0x1000, 1, "control\x01"}}, {{0x1000, 1, ""}},
      {{0x1000, 1, "\xff"}},  // as which one?
      {{0x1000, 0x80000000, "line"}},
  };
  for (const auto& entries : kWrong) {
    const auto dump = Read(JitDumpBuilder().Header().DebugInfo(0x1000, entries).Load(0x1000, 0x40, "f"));
    ASSERT_TRUE(dump.ok());
    EXPECT_EQ(dump->damaged_lines(), 1u) << entries[0].file;
    EXPECT_EQ(At(*dump, 0x1010), "f") << entries[0].file;
  }
  // More entries announced than there are.
  const auto dump =
      Read(JitDumpBuilder().Header().Record(2, JitDumpBuilder::Numbers({0x1000, UINT64_MAX})).Load(0x1000, 0x40, "f"));
  EXPECT_EQ(dump->damaged_lines(), 1u);
  EXPECT_EQ(At(*dump, 0x1010), "f");
}

TEST_F(JitDumpTest, CodeIsMoved) {
  const auto dump = Read(JitDumpBuilder()
                             .Header()
                             .DebugInfo(0x1000, {{0x1000, 5, "f.c"}})
                             .Load(0x1000, 0x40, "f")
                             .Move(0x1000, 0x5000, 0x40)
                             .Load(0x1000, 0x40, "g")
                             .Move(0x9000, 0xa000, 0x40));  // of nothing
  EXPECT_EQ(At(*dump, 0x5000), "f f.c:5");
  EXPECT_EQ(At(*dump, 0x1000), "g");
  EXPECT_EQ(dump->damaged_records(), 1u);
}

TEST_F(JitDumpTest, OtherRecordsArePassedOver) {
  JitDumpBuilder builder;
  const std::string header = builder.Header({.total_size = 48}).Take() + "addition";
  const auto dump = JitDump::Read(Write(header + builder.Load(0x1000, 0x40, "f").Take()));
  ASSERT_TRUE(dump.ok());
  EXPECT_EQ(At(*dump, 0x1000), "f");
  const auto other = Read(JitDumpBuilder()
                              .Header()
                              .Record(4, "unwinding")
                              .Record(77, std::string(100'000, 'x'))
                              .Record(3, "")
                              .Load(0x1000, 0x40, "f"));
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(At(*other, 0x1000), "f");
}

TEST_F(JitDumpTest, RefusesOtherFormats) {
  using Header = JitDumpBuilder::HeaderFields;
  const std::tuple<Header, absl::StatusCode, std::string_view> kCases[] = {
      {{.magic = 0x12345678}, absl::StatusCode::kInvalidArgument, "magic"},
      {{.magic = 0x4454694A}, absl::StatusCode::kUnimplemented, "byte order"},
      {{.version = 2}, absl::StatusCode::kUnimplemented, "version 2"},
      {{.machine = EM_S390}, absl::StatusCode::kUnimplemented, "machine"},
      {{.total_size = 39}, absl::StatusCode::kDataLoss, "39 bytes"},
      {{.total_size = 1 << 30}, absl::StatusCode::kDataLoss, "header"},
  };
  for (const auto& [header, code, word] : kCases) {
    const auto dump = Read(JitDumpBuilder().Header(header).Load(0x1000, 0x40, "f"));
    EXPECT_EQ(dump.status().code(), code);
    EXPECT_NE(Message(dump.status()).find(word), std::string_view::npos) << dump.status();
  }
}

TEST_F(JitDumpTest, WhatIsCutIsLeftForTheNextTime) {
  JitDumpBuilder builder;
  const std::string all = builder.Header()
                              .DebugInfo(0x1000, {{0x1000, 1, "a"}, {0x1010, 2, "b"}})
                              .Load(0x1000, 0x40, "f")
                              .Move(0x1000, 0x2000, 0x40)
                              .Load(0x1000, 0x40, "g", std::string(1000, '\xcc'))
                              .Take();
  const File file = Write("");
  JitDump dump;
  for (const char byte : all) {
    ASSERT_TRUE(dump.Update(file).ok());
    Append(std::string_view(&byte, 1));
  }
  ASSERT_TRUE(dump.Update(file).ok());
  EXPECT_EQ(dump.read_bytes(), all.size());
  EXPECT_EQ(dump.size(), 2u);
  EXPECT_EQ(At(dump, 0x2010), "f b:2");
  EXPECT_EQ(At(dump, 0x1000), "g");
  EXPECT_EQ(dump.damaged_records() + dump.damaged_lines(), 0u);
}

TEST_F(JitDumpTest, RoomThatIsNotYetWrittenToIsNoDamage) {
  const File file = Write(JitDumpBuilder().Header().Load(0x1000, 0x40, "f").Take() + std::string(4096, '\0'));
  JitDump dump;
  EXPECT_TRUE(dump.Update(file).ok());
  EXPECT_TRUE(dump.Update(file).ok());
  EXPECT_EQ(At(dump, 0x1000), "f");
  EXPECT_EQ(dump.damaged_records(), 0u);
}

TEST_F(JitDumpTest, AFileThatIsWrittenAnewIsReadFromItsBegin) {
  JitDumpBuilder builder;
  const File file = Write(builder.Header().Load(0x1000, 0x40, "f").Take());
  JitDump dump;
  ASSERT_TRUE(dump.Update(file).ok());
  Write("");
  ASSERT_TRUE(dump.Update(file).ok());
  EXPECT_EQ(At(dump, 0x1000), "");
  Write(builder.Header({.pid = 5}).Load(0x2000, 0x40, "g").Load(0x3000, 0x40, "h").Take());
  ASSERT_TRUE(dump.Update(file).ok());
  EXPECT_EQ(dump.pid(), Pid{5});
  EXPECT_EQ(At(dump, 0x2000), "g");
  Write(builder.Header({.pid = 5, .timestamp = 100}).Load(0x4000, 0x40, std::string(500, 'i')).Take());
  ASSERT_TRUE(dump.Update(file).ok());
  EXPECT_EQ(At(dump, 0x2000), "");
  EXPECT_EQ(dump.size(), 1u);
}

TEST_F(JitDumpTest, WithoutTheNextRecordItIsGivenUp) {
  JitDumpBuilder builder;
  const File file = Write(builder.Header().Load(0x1000, 0x40, "f").Record(9, "", 15).Load(0x2000, 9, "g").Take());
  JitDump dump;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(dump.Update(file).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(At(dump, 0x1000), "f");
  EXPECT_EQ(At(dump, 0x2000), "");
}

TEST_F(JitDumpTest, CountsDamagedRecords) {
  const auto dump = Read(JitDumpBuilder()
                             .Header()
                             .Record(0, "short")
                             .Record(0, std::string(40, 'x'))     // no name
                             .Record(0, std::string(50, 'x'))     // a name without an end
                             .Load(0x1000, 0, "empty")            //
                             .Load(0x1000, 0x40, "")              //
                             .Load(UINT64_MAX, 0x40, "overflow")  //
                             .Record(1, "short")
                             .Load(0x1000, 0x40, "f"));
  ASSERT_TRUE(dump.ok());
  EXPECT_EQ(dump->damaged_records(), 7u);
  EXPECT_EQ(At(*dump, 0x1000), "f");
}

TEST_F(JitDumpTest, CodeIsNotRead) {
  JitDumpBuilder builder;
  Write(builder.Header().Load(0x1000, 0x40, "f").Take());
  // A record of 3 GiB in a sparse file, and one behind it.
  std::string load = builder.Load(0x2000, 0xc0000000, "large", "").Take();
  const uint32_t size = 0xc0000000;
  load.replace(4, 4, std::string_view(reinterpret_cast<const char*>(&size), 4));
  const std::string last = builder.Load(0x3000, 0x40, "last").Take();
  const uint64_t begin = std::filesystem::file_size(path_);
  Append(load);
  std::filesystem::resize_file(path_, begin + size);
  Append(last);
  const auto dump = JitDump::Read(*File::Open(path_), {.max_read_bytes = 1 << 20});
  ASSERT_TRUE(dump.ok()) << dump.status();
  EXPECT_EQ(At(*dump, 0x1000), "f");
  EXPECT_EQ(At(*dump, 0x2000), "large");
  EXPECT_EQ(At(*dump, 0x3000), "last");
}

TEST_F(JitDumpTest, LimitsHold) {
  JitDumpBuilder builder;
  builder.Header();
  for (uint64_t i = 1; i < 2000; ++i) builder.Load(i * 0x1000, 0x40, std::string(200, 'x'));
  const std::string many = builder.Take();
  const File file = Write(many);
  JitDump dump({.max_memory_bytes = 100'000});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(dump.Update(file).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LT(dump.memory_bytes(), 200'000u);
  EXPECT_NE(At(dump, 0x1000), "");
  EXPECT_EQ(JitDump::Read(file, {.max_read_bytes = 100'000}).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(JitDump::Read(file).ok());

  const std::string ranges = [&] {
    builder.Header();
    for (uint64_t i = 1; i < 100; ++i) builder.Load(i * 0x40, 0x40, "f");
    for (int i = 0; i < 100; ++i) builder.Move(0, 0x10'0000, 0x10000).Move(0x10'0000, 0, 0x10000);
    return builder.Take();
  }();
  EXPECT_TRUE(JitDump::Read(Write(ranges)).ok());
  EXPECT_EQ(JitDump::Read(Write(ranges), {.max_moves = 5000}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(JitDumpTest, LinesWhoseFunctionNeverComesAreForgotten) {
  JitDumpBuilder builder;
  builder.Header();
  for (uint64_t i = 1; i < 100; ++i) builder.DebugInfo(i * 0x1000, {{i * 0x1000, 1, std::string(1000, 'x')}});
  const auto dump = Read(builder);
  ASSERT_TRUE(dump.ok());
  EXPECT_EQ(dump->damaged_lines(), 83u);
  EXPECT_LT(dump->memory_bytes(), 50'000u);
}

}  // namespace
}  // namespace kiln::symbolizer
