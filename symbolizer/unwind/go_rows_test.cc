// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/go_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/testing/pclntab_builder.h"

namespace kiln::symbolizer {
namespace {

using ::testing::ElementsAre;
using testing::ElfBuilder;
using testing::PclntabBuilder;
using testing::TestGoFunction;

constexpr uint64_t kText = 0x401000;

// "OFFSET: CFA, FP, RA" per row, numbers in hex.
class TextSink : public RowSink {
 public:
  std::vector<std::string> rows;
  void Add(ElfAddress address, const kiln_rule& rule) override {
    std::string text = fmt::format("{:x}: ", address.value() - kText);
    if (rule.cfa_kind == KILN_CFA_SPECIAL) {
      text += IsSpecial(rule, KILN_SPECIAL_ROOT) ? "root" : IsSpecial(rule, KILN_SPECIAL_UNCLEAR) ? "unclear" : "other";
    } else if (rule.cfa_kind == KILN_CFA_SIGNAL) {
      text += "signal";
    } else {
      text += fmt::format("r{}+{:x}", rule.cfa_register, rule.cfa_offset);
      text += rule.fp_kind == KILN_VALUE_AT_CFA ? fmt::format(" fp{}", rule.fp_offset) : "";
      text += rule.ra_kind == KILN_VALUE_AT_CFA ? fmt::format(" ra{}", rule.ra_offset) : "";
    }
    if (!rows.empty() && rows.back().starts_with(fmt::format("{:x}: ", address.value() - kText))) rows.pop_back();
    rows.push_back(text);
  }
};

// The rows of a program with one function, whose code is `code`.
std::vector<std::string> RowsOf(TestGoFunction function, const std::string& code, uint16_t machine = EM_X86_64) {
  PclntabBuilder table{.code_unit = static_cast<uint8_t>(machine == EM_X86_64 ? 1 : 4),
                       .code_bytes = static_cast<uint32_t>(code.size()),
                       .functions = {std::move(function)}};
  ElfBuilder builder;
  builder.patch_header = [&](Elf64_Ehdr& header) { header.e_machine = machine; };
  builder.AddLoadedBytes(kText, code, PF_R | PF_X);
  builder.AddLoadedBytes(0x500000, table.Build(), PF_R);
  builder.Add({.name = ".gopclntab", .address = 0x500000, .bytes = "x"});
  const StatusOr<ElfFile> elf = builder.Open();
  const StatusOr<std::unique_ptr<GoRows>> rows = GoRows::Open(*elf);
  EXPECT_TRUE(rows.ok()) << rows.status();
  if (!rows.ok()) return {};
  TextSink sink;
  for (ElfAddress at;;) {
    const std::optional<CodeExtent> extent = (*rows)->Next(at);
    if (!extent) return sink.rows;
    (*rows)->AddRows(*extent, sink);
    at = extent->end;
  }
}

TEST(GoRowsTest, FollowsThePushedFramePointer) {
  const std::string code = std::string("\x55\x48\x89\xe5\x48\x83\xec\x10\x90\x48\x83\xc4\x10\x5d\xc3", 15);
  EXPECT_THAT(RowsOf({.name = "main.f", .depths = {{0, 1}, {8, 7}, {24, 5}, {8, 1}, {0, 1}}}, code),
              ElementsAre("0: r19+8 ra-8", "1: r19+10 fp-16 ra-8", "8: r19+20 fp-16 ra-8", "d: r19+10 fp-16 ra-8",
                          "e: r19+8 ra-8"));
}

TEST(GoRowsTest, KnowsWhenTheOldPrologueHasStoredTheFramePointer) {
  // sub rsp, 16; mov [rsp + 8], rbp; lea rbp, [rsp + 8]; …; mov rbp, [rsp + 8]; add rsp, 16; ret
  const std::string code(
      "\x48\x83\xec\x10\x48\x89\x6c\x24\x08\x48\x8d\x6c\x24\x08\x48\x8b\x6c\x24\x08\x48\x83\xc4\x10\xc3", 24);
  EXPECT_THAT(RowsOf({.name = "main.f", .depths = {{0, 4}, {16, 19}, {0, 1}}}, code),
              ElementsAre("0: r19+8 ra-8", "4: r19+18 ra-8", "9: r19+18 fp-16 ra-8", "17: r19+8 ra-8"));
  // The same, if it also goes to another stack.
  EXPECT_THAT(RowsOf({.name = "runtime.f", .flags = 2 | 4, .depths = {{0, 4}, {16, 19}, {0, 1}}}, code),
              ElementsAre("0: r19+8 ra-8", "4: r19+18 ra-8", "9: r19+18 fp-16 ra-8", "e: r4+10 fp-16 ra-8",
                          "13: r19+18 fp-16 ra-8", "17: r19+8 ra-8"));
}

TEST(GoRowsTest, LeavesTheFramePointerOfAssemblyWithoutFrame) {
  EXPECT_THAT(RowsOf({.name = "runtime.f", .flags = 4, .depths = {{0, 1}, {8, 1}}}, "\x50\xc3"),
              ElementsAre("0: r19+8 ra-8", "1: r19+10 ra-8"));
}

TEST(GoRowsTest, GoesOverAStackSwitchByTheFramePointer) {
  const std::string code = std::string("\x55\x48\x89\xe5\x90\x90\x5d\xc3", 8);
  EXPECT_THAT(RowsOf({.name = "runtime.systemstack", .flags = 2 | 4, .depths = {{0, 1}, {8, 6}, {0, 1}}}, code),
              ElementsAre("0: r19+8 ra-8", "1: r19+10 fp-16 ra-8", "4: r4+10 fp-16 ra-8", "7: r19+8 ra-8"));
}

TEST(GoRowsTest, EndsWhereANewStackBegins) {
  const std::string code = std::string("\x55\x48\x89\xe5\x90\x48\xc7\xc5\0\0\0\0\xff\xd0", 14);
  EXPECT_THAT(RowsOf({.name = "runtime.mcall", .flags = 2 | 4, .depths = {{0, 1}, {8, 13}}}, code),
              ElementsAre("0: r19+8 ra-8", "1: r19+10 fp-16 ra-8", "4: r4+10 fp-16 ra-8", "5: root"));
}

TEST(GoRowsTest, IsUnclearWhereTheStackIsSwitchedWithoutAFrame) {
  EXPECT_THAT(RowsOf({.name = "gogo", .flags = 2 | 4, .depths = {{0, 2}}}, "\x90\x90"), ElementsAre("0: unclear"));
}

TEST(GoRowsTest, EndsAtTheTopFrameButNotAtASignalHandler) {
  EXPECT_THAT(RowsOf({.name = "runtime.goexit", .flags = 1, .depths = {{0, 2}}}, "\x90\x90"), ElementsAre("0: root"));
  EXPECT_THAT(RowsOf({.name = "_rt0_amd64_linux", .depths = {{0, 2}}}, "\x90\x90"), ElementsAre("0: root"));
  EXPECT_THAT(RowsOf({.name = "runtime.sigtramp", .flags = 1 | 4, .depths = {{0, 2}}}, "\x90\x90"),
              ElementsAre("0: r19+8 ra-8"));
}

TEST(GoRowsTest, BeginsTheSignalFrameOneByteBeforeItsCode) {
  PclntabBuilder table{
      .code_bytes = 0x20,
      .functions = {{.name = "before", .depths = {{0, 0x10}}},
                    {.name = "runtime.sigreturn__sigaction", .code = 0x10, .flags = 4, .depths = {{0, 0x10}}}}};
  std::string code(0x20, '\xcc');
  code.replace(0x10, 9, std::string("\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9));
  ElfBuilder builder;
  builder.AddLoadedBytes(kText, code, PF_R | PF_X);
  builder.AddLoadedBytes(0x500000, table.Build(), PF_R);
  builder.Add({.name = ".gopclntab", .address = 0x500000, .bytes = "x"});
  const StatusOr<ElfFile> elf = builder.Open();
  const std::unique_ptr<GoRows> rows = *GoRows::Open(*elf);
  EXPECT_EQ(rows->Next(ElfAddress(kText))->end, ElfAddress(kText + 0xf));
  const std::optional<CodeExtent> trampoline = rows->Next(ElfAddress(kText + 0xf));
  ASSERT_TRUE(trampoline);
  EXPECT_EQ(trampoline->begin, ElfAddress(kText + 0xf));
  TextSink sink;
  rows->AddRows(*trampoline, sink);
  EXPECT_THAT(sink.rows, ElementsAre("f: signal"));
}

TEST(GoRowsTest, UsesTheLinkRegisterOfArm64) {
  // str x30, [sp, #-32]!; stur x29, [sp, #-8]; sub x29, sp, #8; nop; ldp x29, x30, [sp, #-8]; add sp, sp, #32; ret
  const std::string code(
      "\xfe\x0f\x1e\xf8\xfd\x83\x1f\xf8\xfd\x23\x00\xd1\x1f\x20\x03\xd5\xfd\xfb\x7f\xa9\xff\x83\x00\x91\xc0\x03\x5f"
      "\xd6",
      28);
  EXPECT_THAT(RowsOf({.name = "main.f", .depths = {{0, 1}, {32, 5}, {0, 1}}}, code, EM_AARCH64),
              ElementsAre("0: r31+0", "4: r31+20 ra-32", "8: r31+20 fp-40 ra-32", "18: r31+0"));
  EXPECT_THAT(
      RowsOf({.name = "runtime.systemstack", .flags = 2 | 4, .depths = {{0, 1}, {32, 5}, {0, 1}}}, code, EM_AARCH64),
      ElementsAre("0: r31+0", "4: r31+20 ra-32", "8: r31+20 fp-40 ra-32", "c: r29+28 fp-40 ra-32",
                  "14: r31+20 fp-40 ra-32", "18: r31+0"));
}

}  // namespace
}  // namespace kiln::symbolizer
