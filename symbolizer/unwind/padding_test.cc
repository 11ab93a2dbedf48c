// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/padding.h"

#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::Le;

bool X86(const std::string& code) { return IsPadding(*FindUnwindMachine(EM_X86_64), AsBytes(code)); }
bool Arm64(const std::string& code) { return IsPadding(*FindUnwindMachine(EM_AARCH64), AsBytes(code)); }

TEST(Padding, X86NopsOfAllLengths) {
  const std::vector<std::string> nops = {
      Bytes({0x90}),
      Bytes({0x66, 0x90}),
      Bytes({0x0f, 0x1f, 0x00}),
      Bytes({0x0f, 0x1f, 0x40, 0x00}),
      Bytes({0x0f, 0x1f, 0x44, 0x00, 0x00}),
      Bytes({0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}),
      Bytes({0x0f, 0x1f, 0x80, 0, 0, 0, 0}),
      Bytes({0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}),
      Bytes({0x66, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}),
      Bytes({0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}),
      Bytes({0xcc}),
  };
  std::string all;
  for (const std::string& nop : nops) {
    EXPECT_TRUE(X86(nop)) << nop.size();
    EXPECT_TRUE(X86(nop + nop)) << nop.size();
    EXPECT_FALSE(X86(nop.substr(0, nop.size() - 1))) << "cut: " << nop.size();
    all += nop;
  }
  EXPECT_TRUE(X86(all));
}

TEST(Padding, X86CodeIsNone) {
  EXPECT_FALSE(X86(""));
  EXPECT_FALSE(X86(Bytes({0xc3})));
  EXPECT_FALSE(X86(Bytes({0x90, 0xc3})));
  EXPECT_FALSE(X86(Bytes({0xf3, 0x0f, 0x1e, 0xfa}))) << "endbr64 begins a function";
  EXPECT_FALSE(X86(Bytes({0x66, 0xcc})));
  EXPECT_FALSE(X86(std::string(8, '\0')));
}

TEST(Padding, Arm64) {
  EXPECT_TRUE(Arm64(Le(0xd503201fU)));
  EXPECT_TRUE(Arm64(Le(0xd503201fU) + Le(0U) + Le(0xd4200020U)));
  EXPECT_FALSE(Arm64(Le(0xd65f03c0U))) << "ret";
  EXPECT_FALSE(Arm64(Le(0xd503201fU) + Bytes({0})));
  EXPECT_FALSE(Arm64(""));
}

}  // namespace
}  // namespace kiln::symbolizer
