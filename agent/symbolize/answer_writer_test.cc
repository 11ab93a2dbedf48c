// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/answer_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using symbolizer::LineView;

const LineView kInlinedLines[] = {
    {.name = "inner(int)", .system_name = "_Z5inneri", .file = "/src/a.h", .line = 7, .column = 3, .start_line = 5},
    {.name = "main", .file = "/src/a.c"}};
const Answer kInlined = {.lines = kInlinedLines, .module = "/bin/a", .build_id = "abcd", .elf_address = 0x1234};
const Answer kMiss = {.reason = "no symbol at the address", .module = "/bin/a"};

template <typename Write>
std::string Written(AnswerFormat format, Write write) {
  const int fd = ::memfd_create("answers", 0);
  AnswerWriter writer(fd, format);
  write(writer);
  EXPECT_TRUE(writer.Flush().ok());
  std::string text(1 << 16, '\0');
  text.resize(static_cast<size_t>(::pread(fd, text.data(), text.size(), 0)));
  ::close(fd);
  return text;
}

std::string Written(AnswerFormat format, const Answer& answer) {
  return Written(format, [&](AnswerWriter& writer) { EXPECT_TRUE(writer.Add(0x1234, answer).ok()); });
}

TEST(AnswerWriter, WritesTheLinesOfAddr2line) {
  EXPECT_EQ(Written({}, kInlined), "0x0000000000001234\ninner(int)\n/src/a.h:7\nmain\n/src/a.c:?\n");
  EXPECT_EQ(Written({}, kMiss), "0x0000000000001234\n??\n??:0\n");
  constexpr LineView kNameAlone[] = {{.name = "f"}};
  EXPECT_EQ(Written({}, Answer{.lines = kNameAlone}), "0x0000000000001234\nf\n??:?\n");
}

TEST(AnswerWriter, LeavesOutInlinesAndDemanglingOnRequest) {
  EXPECT_EQ(Written({.inlines = false, .demangle = false}, kInlined), "0x0000000000001234\n_Z5inneri\n/src/a.h:7\n");
}

TEST(AnswerWriter, LooksAtEveryByteOfANameForWhatIsNotPlain) {
  for (const char bad : {'\0', '\x1f', '\x7f', '\x80', '\xff'}) {
    for (size_t size = 1; size < 20; ++size) {
      for (size_t at = 0; at < size; ++at) {
        std::string name(size, '~');
        name[size / 2] = ' ';
        name[at] = bad;
        const LineView line[] = {{.name = name}};
        EXPECT_THAT(Written({}, Answer{.lines = line}), HasSubstr("\ufffd")) << size << ' ' << at << ' ' << int{bad};
      }
    }
  }
  const LineView line[] = {{.name = " !~ aZ09 !~ aZ09 !~"}};
  EXPECT_EQ(Written({}, Answer{.lines = line}), "0x0000000000001234\n !~ aZ09 !~ aZ09 !~\n??:?\n");
}

TEST(AnswerWriter, WritesOneObjectPerLine) {
  constexpr const char* kInlinedJson =
      R"json({"address":"0x1234","lines":[{"function":"inner(int)","system_name":"_Z5inneri","file":"/src/a.h",)json"
      R"json("line":7,"column":3,"start_line":5},{"function":"main","file":"/src/a.c"}],"module":"/bin/a",)json"
      R"json("build_id":"abcd","elf_address":"0x1234"})json";
  EXPECT_EQ(Written({.json = true}, kInlined), std::string(kInlinedJson) + "\n");
  constexpr const char* kMissJson =
      R"({"address":"0x1234","lines":[],"module":"/bin/a","miss":"no symbol at the address"})";
  EXPECT_EQ(Written({.json = true}, kMiss), std::string(kMissJson) + "\n");
}

TEST(AnswerWriter, MakesNamesHarmless) {
  constexpr LineView kBadLines[] = {{.name = "a\x1b[2J\nb\xff", .file = "\r\xc2\x9b"}};
  const Answer bad = {.lines = kBadLines};
  EXPECT_EQ(Written({}, bad), "0x0000000000001234\na\ufffd[2J\ufffdb\ufffd\n\ufffd\ufffd:?\n");
  for (const bool is_terminal : {false, true}) {
    const std::string json = Written({.json = true, .is_terminal = is_terminal}, bad);
    EXPECT_TRUE(nlohmann::json::accept(json)) << json;
    EXPECT_THAT(json, Not(HasSubstr("\x1b")));
    EXPECT_EQ(json.find("\xc2\x9b") == std::string::npos, is_terminal);
  }
}

TEST(AnswerWriter, AnswersWordsThatAreNoAddress) {
  const auto add = [](AnswerWriter& writer) { EXPECT_TRUE(writer.AddBadWord("x\"y").ok()); };
  EXPECT_EQ(Written({}, add), "x\"y\n??\n??:0\n");
  EXPECT_TRUE(nlohmann::json::accept(Written({.json = true}, add)));
}

TEST(AnswerWriter, FailsWhereWritingFails) {
  AnswerWriter writer(-1, {});
  EXPECT_TRUE(writer.Add(1, kMiss).ok());
  EXPECT_FALSE(writer.Flush().ok());
}

}  // namespace
}  // namespace kiln::agent
