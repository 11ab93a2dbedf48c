// SPDX-License-Identifier: Apache-2.0
// Each call frame instruction, by the rows that come of it.
#include "symbolizer/unwind/cfi_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"

namespace kiln::symbolizer {
namespace {

using testing::Arm64Rule;
using testing::Bytes;
using testing::CfiBuilder;
using ::testing::ElementsAre;
using testing::Le;
using ::testing::Pair;
using testing::Sleb;
using testing::TestCfi;
using testing::TestCie;
using testing::Uleb;
using testing::X86Rule;

constexpr uint64_t kCode = 0x1000;
constexpr uint64_t kSize = 0x1000000;
constexpr uint8_t kSp = KILN_X86_SP;
constexpr uint8_t kFp = KILN_X86_BP;

struct Result {
  std::map<uint64_t, kiln_rule> rows;  // by the offset in the function
  UnwindCounts counts;
};

// The rows of a function with these instructions.
Result RunFunction(const std::string& instructions, const TestCie& cie = {}) {
  CfiBuilder builder(true, 0x2000000);
  builder.AddFde(builder.AddCie(cie), kCode, kSize, instructions);
  TestCfi cfi(builder);
  Result result;
  for (const auto& [address, rule] : cfi.RowsAt(kCode)) result.rows[address - kCode] = rule;
  result.counts = cfi.counts();
  return result;
}

TEST(CfiProgram, ACompilersFunction) {
  // push rbp; mov rsp, rbp; … leave; ret
  const Result result = RunFunction(Bytes({0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x50, 0x0c, 7, 8}));
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(1, X86Rule(kSp, 16, -16)),
                                       Pair(4, X86Rule(kFp, 16, -16)), Pair(0x14, X86Rule(kSp, 8, -16))));
}

TEST(CfiProgram, AdvancesByAllWidths) {
  const Result result =
      RunFunction(Bytes({0x42, 0x0e, 16, 0x02, 0xff, 0x0e, 24, 0x03}) + Le<uint16_t>(0x1000) + Bytes({0x0e, 32, 0x04}) +
                  Le<uint32_t>(0x10000) + Bytes({0x0e, 40, 0x1d}) + Le<uint64_t>(0x100000) + Bytes({0x0e, 48}));
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(2, X86Rule(kSp, 16)),
                                       Pair(0x101, X86Rule(kSp, 24)), Pair(0x1101, X86Rule(kSp, 32)),
                                       Pair(0x11101, X86Rule(kSp, 40)), Pair(0x111101, X86Rule(kSp, 48))));
}

TEST(CfiProgram, AdvancesInUnitsOfTheCodeAlignment) {
  const Result result = RunFunction(Bytes({0x42, 0x0e, 16}), {.code_alignment = 4});
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(8, X86Rule(kSp, 16))));
}

TEST(CfiProgram, SetLocGoesToAnAddress) {
  const Result result =
      RunFunction(Bytes({0x01}) + Le<uint64_t>(kCode + 0x40) + Bytes({0x0e, 16}), {.augmentation_data = Bytes({0x00})});
  EXPECT_TRUE(result.rows.empty()) << "the FDE of this test has 4-byte pointers";
  CfiBuilder builder(false, 0);
  const uint64_t cie = builder.AddCie({.version = 3, .augmentation = ""});
  builder.AddFde(cie, kCode, 0x100, Bytes({0x01}) + Le<uint64_t>(kCode + 0x40) + Bytes({0x0e, 16}));
  TestCfi cfi(builder);
  EXPECT_THAT(cfi.RowsAt(kCode), ElementsAre(Pair(kCode, X86Rule(kSp, 8)), Pair(kCode + 0x40, X86Rule(kSp, 16))));
}

TEST(CfiProgram, SetLocIsRelativeToItsPlaceInTheSection) {
  CfiBuilder builder(true, 0x2000);
  const uint64_t cie = builder.AddCie({});
  // Behind the pointers and the length of the augmentation.
  const uint64_t place = 0x2000 + builder.BodyOffset() + 8 + 1 + 1;
  builder.AddFde(cie, kCode, 0x100, Bytes({0x01}) + Le(static_cast<int32_t>(kCode + 0x40 - place)) + Bytes({0x0e, 16}));
  TestCfi cfi(builder);
  EXPECT_THAT(cfi.RowsAt(kCode), ElementsAre(Pair(kCode, X86Rule(kSp, 8)), Pair(kCode + 0x40, X86Rule(kSp, 16))));
}

TEST(CfiProgram, DefinesTheCfa) {
  EXPECT_EQ(RunFunction(Bytes({0x0c, 6, 16})).rows[0], X86Rule(kFp, 16));
  EXPECT_EQ(RunFunction(Bytes({0x12, 6}) + Sleb(-2)).rows[0], X86Rule(kFp, 16)) << "def_cfa_sf";
  EXPECT_EQ(RunFunction(Bytes({0x0d, 6})).rows[0], X86Rule(kFp, 8)) << "def_cfa_register";
  EXPECT_EQ(RunFunction(Bytes({0x0e}) + Uleb(4096)).rows[0], X86Rule(kSp, 4096)) << "def_cfa_offset";
  EXPECT_EQ(RunFunction(Bytes({0x13}) + Sleb(-3)).rows[0], X86Rule(kSp, 24)) << "def_cfa_offset_sf";
}

TEST(CfiProgram, SavesRegisters) {
  EXPECT_EQ(RunFunction(Bytes({0x86, 2})).rows[0], X86Rule(kSp, 8, -16)) << "offset";
  EXPECT_EQ(RunFunction(Bytes({0x05, 6, 2})).rows[0], X86Rule(kSp, 8, -16)) << "offset_extended";
  EXPECT_EQ(RunFunction(Bytes({0x11, 6}) + Sleb(-2)).rows[0], X86Rule(kSp, 8, 16)) << "offset_extended_sf";
  EXPECT_EQ(RunFunction(Bytes({0x2f, 6, 2})).rows[0], X86Rule(kSp, 8, 16)) << "GNU_negative_offset_extended";
  EXPECT_EQ(RunFunction(Bytes({0x86, 2, 0xc6})).rows[0], X86Rule(kSp, 8)) << "restore";
  EXPECT_EQ(RunFunction(Bytes({0x86, 2, 0x06, 6})).rows[0], X86Rule(kSp, 8)) << "restore_extended";
  EXPECT_EQ(RunFunction(Bytes({0x86, 2, 0x08, 6})).rows[0], X86Rule(kSp, 8)) << "same_value";
  EXPECT_EQ(RunFunction(Bytes({0x83, 2})).rows[0], X86Rule(kSp, 8)) << "of another register";
  EXPECT_EQ(RunFunction(Bytes({0x07, 6})).rows[0].fp_kind, KILN_VALUE_LOST) << "undefined";
  EXPECT_EQ(RunFunction(Bytes({0x09, 6, 9})).rows[0].fp_register, KILN_X86_R9) << "register";
}

TEST(CfiProgram, ValuesRelativeToTheCfa) {
  for (const std::string& instruction : {Bytes({0x14, 6, 2}), Bytes({0x15, 6, 2})}) {
    const kiln_rule rule = RunFunction(instruction).rows[0];
    EXPECT_EQ(rule.fp_kind, KILN_VALUE_CFA);
    EXPECT_EQ(rule.fp_offset, -16);
  }
  EXPECT_EQ(RunFunction(Bytes({0x15, 6}) + Sleb(-2)).rows[0].fp_offset, 16);
}

TEST(CfiProgram, RestoreGoesBackToTheCie) {
  const TestCie cie{.instructions = testing::kX86Initial + Bytes({0x86, 4})};
  EXPECT_EQ(RunFunction(Bytes({0x86, 2, 0xc6}), cie).rows[0], X86Rule(kSp, 8, -32));
}

TEST(CfiProgram, StatesAreRememberedWithTheirCfa) {
  const Result result = RunFunction(
      Bytes({0x41, 0x0e, 16, 0x86, 2, 0x41, 0x0a, 0x0a, 0x0e, 8, 0xc6, 0x41, 0x0b, 0x41, 0x0b, 0x41, 0x0e, 24}));
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(1, X86Rule(kSp, 16, -16)),
                                       Pair(2, X86Rule(kSp, 8)), Pair(3, X86Rule(kSp, 16, -16)),
                                       Pair(4, X86Rule(kSp, 16, -16)), Pair(5, X86Rule(kSp, 24, -16))));
}

TEST(CfiProgram, OnlyArgumentSizesAndSignaturesChangeNothing) {
  const Result result = RunFunction(Bytes({0x41, 0x2e, 16, 0x42, 0x2d, 0x43, 0x2c, 0x00, 0x44, 0x83, 2}));
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8))));
}

TEST(CfiProgram, AnExpressionMayEndInARegisterAgain) {
  const Result result =
      RunFunction(Bytes({0x0e, 56, 0x41, 0x0f, 5, 0x77}) + Sleb(536) + Bytes({0x06, 0x96, 0x41, 0x0d, 7}));
  EXPECT_EQ(result.rows.at(1).cfa_kind, KILN_CFA_DEREF);
  EXPECT_EQ(result.rows.at(2), X86Rule(kSp, 56));
}

TEST(CfiProgram, WhatIsBehindTheEndIsNotRead) {
  CfiBuilder builder(true, 0x2000);
  builder.AddFde(builder.AddCie({}), kCode, 0x10, Bytes({0x50, 0x0e, 16, 0x3f}));
  TestCfi cfi(builder);
  EXPECT_THAT(cfi.RowsAt(kCode), ElementsAre(Pair(kCode, X86Rule(kSp, 8))));
}

TEST(CfiProgram, AStepBeyondTheAddressSpaceEndsTheFunction) {
  const Result result = RunFunction(Bytes({0x1d}) + Le(~uint64_t{0}) + Bytes({0x0e, 16}), {.code_alignment = 1 << 20});
  EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8))));
}

TEST(CfiProgram, WhatCantBeRunIsDamagedFromThereOn) {
  struct Case {
    std::string instructions;
    UnwindIssue issue;
  };
  const std::string start = Bytes({0x41, 0x0e, 16, 0x41});
  const std::vector<Case> cases = {
      {Bytes({0x3f}), UnwindIssue::kInstruction},
      {Bytes({0x17}), UnwindIssue::kInstruction},
      {Bytes({0x0f, 0x7f}), UnwindIssue::kInstructionCut},
      {Bytes({0x10, 6, 0x7f}), UnwindIssue::kInstructionCut},
      {Bytes({0x0e}) + std::string(20, '\x80'), UnwindIssue::kInstructionCut},
      {Bytes({0x0b}), UnwindIssue::kStateStack},
      {std::string(kMaxRememberedStates + 1, '\x0a'), UnwindIssue::kStateStack},
      {Bytes({0x0f, 1, 0x37, 0x0e, 8}), UnwindIssue::kInstructionMisplaced},
      {Bytes({0x01}) + Le<int32_t>(-0x1fffff0), UnwindIssue::kLocationBackwards},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Result result = RunFunction(start + cases[i].instructions);
    EXPECT_THAT(result.rows, ElementsAre(Pair(0, X86Rule(kSp, 8)), Pair(1, X86Rule(kSp, 16)),
                                         Pair(2, SpecialRule(KILN_SPECIAL_DAMAGED))))
        << i;
    EXPECT_EQ(result.counts[cases[i].issue], 1u) << i;
  }
}

TEST(CfiProgram, ADamagedCieDamagesItsFunctions) {
  for (const std::string& instructions :
       {Bytes({0x3f}), Bytes({0x41}), Bytes({0xc6}), Bytes({0x06, 6}), Bytes({0x0d, 6}), Bytes({0x0b})}) {
    const Result result = RunFunction("", {.instructions = instructions});
    EXPECT_THAT(result.rows, ElementsAre(Pair(0, SpecialRule(KILN_SPECIAL_DAMAGED))));
  }
}

TEST(CfiProgram, Arm64FunctionsKeepTheReturnAddressInARegister) {
  CfiBuilder builder(true, 0x2000000);
  const uint64_t cie = builder.AddCie(
      {.code_alignment = 4, .data_alignment = -8, .return_column = 30, .instructions = testing::kArm64Initial});
  // stp x29, x30, [sp, -32]!; mov x29, sp; … ; ldp
  builder.AddFde(cie, kCode, 0x100,
                 Bytes({0x41, 0x0e, 32, 0x9d, 4, 0x9e, 3, 0x41, 0x0d, 29, 0x48, 0x0c, 31, 0, 0xdd, 0xde}));
  TestCfi cfi(builder, EM_AARCH64);
  EXPECT_THAT(cfi.RowsAt(kCode), ElementsAre(Pair(kCode, Arm64Rule(KILN_ARM64_SP, 0)),
                                             Pair(kCode + 4, Arm64Rule(KILN_ARM64_SP, 32, -32, -24)),
                                             Pair(kCode + 8, Arm64Rule(KILN_ARM64_FP, 32, -32, -24)),
                                             Pair(kCode + 0x28, Arm64Rule(KILN_ARM64_SP, 0))));
}

}  // namespace
}  // namespace kiln::symbolizer
