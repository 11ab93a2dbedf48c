// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_expression.h"

#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using Form = CfiFormula::Form;
using testing::Bytes;
using testing::Le;
using testing::Sleb;
using testing::Uleb;

constexpr uint64_t kRip = 16;

CfiFormula Evaluate(const std::string& expression, bool starts_with_cfa = false) {
  return EvaluateCfiExpression(AsBytes(expression), kRip, starts_with_cfa);
}
std::string Breg(int reg, int64_t offset) { return Bytes({0x70 + reg}) + Sleb(offset); }

TEST(CfiExpression, RegisterPlusOffset) {
  EXPECT_EQ(Evaluate(Breg(7, 8)), (CfiFormula{.form = Form::kRegister, .reg = 7, .offset = 8}));
  EXPECT_EQ(Evaluate(Bytes({0x92}) + Uleb(31) + Sleb(-8)),
            (CfiFormula{.form = Form::kRegister, .reg = 31, .offset = -8}));
  EXPECT_EQ(Evaluate(Breg(7, 8) + Bytes({0x23}) + Uleb(8)),
            (CfiFormula{.form = Form::kRegister, .reg = 7, .offset = 16}));
  EXPECT_EQ(Evaluate(Breg(7, 8) + Bytes({0x34, 0x1c})), (CfiFormula{.form = Form::kRegister, .reg = 7, .offset = 4}));
}

TEST(CfiExpression, DereferencesARegister) {
  EXPECT_EQ(Evaluate(Breg(6, -8) + Bytes({0x06})), (CfiFormula{.form = Form::kDerefRegister, .reg = 6, .offset = -8}));
  EXPECT_EQ(Evaluate(Breg(7, 40) + Bytes({0x06, 0x23, 8})),
            (CfiFormula{.form = Form::kDerefRegister, .reg = 7, .offset = 40, .second = 8}));
  EXPECT_EQ(Evaluate(Breg(7, 40) + Bytes({0x06, 0x06})).form, Form::kUnknown) << "twice";
}

TEST(CfiExpression, DereferencesAnIndexedRegister) {
  const CfiFormula expected{.form = Form::kDerefIndexed, .reg = 7, .offset = 8, .second = 16, .index = 9};
  const std::string end = Bytes({0x22, 0x06, 0x23, 16});
  EXPECT_EQ(Evaluate(Breg(7, 8) + Breg(9, 0) + Bytes({0x38, 0x1e}) + end), expected) << "times 8";
  EXPECT_EQ(Evaluate(Breg(7, 8) + Bytes({0x38}) + Breg(9, 0) + Bytes({0x1e}) + end), expected) << "8 times";
  EXPECT_EQ(Evaluate(Breg(7, 8) + Breg(9, 0) + Bytes({0x33, 0x24}) + end), expected) << "shifted";
  EXPECT_EQ(Evaluate(Breg(9, 0) + Bytes({0x38, 0x1e}) + Breg(7, 8) + end), expected) << "the index first";
  EXPECT_EQ(Evaluate(Breg(7, 8) + Breg(9, 0) + Bytes({0x34, 0x1e}) + end).form, Form::kUnknown) << "times 4";
  EXPECT_EQ(Evaluate(Breg(7, 8) + Breg(9, 1) + Bytes({0x38, 0x1e}) + end).form, Form::kUnknown) << "index + 1";
}

TEST(CfiExpression, TheCfaMayBeOnTheStack) {
  EXPECT_EQ(Evaluate(Bytes({0x23, 16}), true), (CfiFormula{.form = Form::kCfa, .offset = 16}));
  EXPECT_EQ(Evaluate(Bytes({0x48, 0x1c}), true), (CfiFormula{.form = Form::kCfa, .offset = -24}));
  EXPECT_EQ(Evaluate(Bytes({0x06}), true), (CfiFormula{.form = Form::kDerefCfa}));
  EXPECT_EQ(Evaluate(Breg(6, 0), true), (CfiFormula{.form = Form::kRegister, .reg = 6})) << "which is not needed";
}

TEST(CfiExpression, ExpressionsOfThePlt) {
  // GCC and GNU ld write the two orders and thresholds 10 and 11; lld has 9.
  for (const int threshold : {9, 10, 11}) {
    const std::string step = Breg(16, 0) + Bytes({0x3f, 0x1a, 0x30 + threshold, 0x2a, 0x33, 0x24});
    const CfiFormula expected{.form = Form::kPlt, .reg = 7, .offset = 8, .second = threshold};
    EXPECT_EQ(Evaluate(Breg(7, 8) + step + Bytes({0x22})), expected);
    EXPECT_EQ(Evaluate(step + Breg(7, 8) + Bytes({0x22})), expected);
  }
}

TEST(CfiExpression, NearlyThePltIsNotIt) {
  const std::string head = Breg(7, 8) + Breg(16, 0);
  EXPECT_EQ(Evaluate(head + Bytes({0x3e, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22})).form, Form::kUnknown) << "mask 14";
  EXPECT_EQ(Evaluate(head + Bytes({0x3f, 0x1a, 0x3b, 0x2a, 0x34, 0x24, 0x22})).form, Form::kUnknown) << "shift 4";
  EXPECT_EQ(Evaluate(Breg(7, 8) + Breg(3, 0) + Bytes({0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22})).form, Form::kUnknown)
      << "another register";
}

TEST(CfiExpression, ConstantsOfAllSizes) {
  const auto constant = [](const std::string& bytes) { return Evaluate(bytes).offset; };
  EXPECT_EQ(constant(Bytes({0x4f})), 31);
  EXPECT_EQ(constant(Bytes({0x08, 0xff})), 255);
  EXPECT_EQ(constant(Bytes({0x09, 0xff})), -1);
  EXPECT_EQ(constant(Bytes({0x0a, 0xff, 0xff})), 65535);
  EXPECT_EQ(constant(Bytes({0x0b, 0xff, 0xff})), -1);
  EXPECT_EQ(constant(Bytes({0x0c}) + Le<uint32_t>(~0U)), 0xffffffff);
  EXPECT_EQ(constant(Bytes({0x0d}) + Le<uint32_t>(~0U)), -1);
  EXPECT_EQ(constant(Bytes({0x0e}) + Le<uint64_t>(77)), 77);
  EXPECT_EQ(constant(Bytes({0x0f}) + Le<int64_t>(-77)), -77);
  EXPECT_EQ(constant(Bytes({0x10}) + Uleb(300)), 300);
  EXPECT_EQ(constant(Bytes({0x11}) + Sleb(-300)), -300);
  EXPECT_EQ(constant(Bytes({0x3f, 0x36, 0x1a})), 6) << "15 & 6";
}

TEST(CfiExpression, StackOperations) {
  const CfiFormula rsp{.form = Form::kRegister, .reg = 7, .offset = 1};
  EXPECT_EQ(Evaluate(Breg(7, 1) + Bytes({0x12, 0x13})), rsp) << "dup, drop";
  EXPECT_EQ(Evaluate(Breg(6, 1) + Breg(7, 1) + Bytes({0x16, 0x13})), rsp) << "swap, drop";
  EXPECT_EQ(Evaluate(Breg(7, 1) + Breg(6, 1) + Bytes({0x14})), rsp) << "over";
  EXPECT_EQ(Evaluate(Breg(7, 1) + Bytes({0x31, 0x32, 0x17, 0x13})), rsp) << "rot, drop";
  EXPECT_EQ(Evaluate(Breg(7, 1) + Bytes({0x96})), rsp) << "nop";
}

TEST(CfiExpression, DamageIsUnknown) {
  EXPECT_EQ(Evaluate("").form, Form::kUnknown);
  for (const int operation : {0x06, 0x12, 0x13, 0x14, 0x16, 0x17, 0x1a, 0x1c, 0x22, 0x23, 0x24, 0x2a}) {
    EXPECT_EQ(Evaluate(Bytes({operation})).form, Form::kUnknown) << operation << " on an empty stack";
  }
  EXPECT_EQ(Evaluate(Bytes({0x77})).form, Form::kUnknown) << "cut";
  EXPECT_EQ(Evaluate(Bytes({0x31, 0x1e})).form, Form::kUnknown) << "mul";
  EXPECT_EQ(Evaluate(std::string(17, '\x31')).form, Form::kUnknown) << "more than the stack holds";
  EXPECT_EQ(Evaluate(std::string(16, '\x31')).form, Form::kConstant);
  EXPECT_EQ(Evaluate(Breg(7, 1) + Breg(6, 1) + Bytes({0x22})).form, Form::kUnknown) << "sum of registers";
}

}  // namespace
}  // namespace kiln::symbolizer
