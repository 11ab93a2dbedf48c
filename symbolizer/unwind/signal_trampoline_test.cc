// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/signal_trampoline.h"

#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "symbolizer/testing/cfi_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;

TEST(SignalTrampoline, IsFoundAnywhere) {
  const std::string x86 = Bytes({0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05});
  const std::string arm64 = Bytes({0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4});
  const UnwindMachine& x86_machine = *FindUnwindMachine(EM_X86_64);
  const UnwindMachine& arm64_machine = *FindUnwindMachine(EM_AARCH64);
  const std::string code = Bytes({0x90, 0x90}) + x86 + arm64;
  const auto on_x86 = FindSignalTrampoline(x86_machine, AsBytes(code));
  ASSERT_TRUE(on_x86);
  EXPECT_EQ(on_x86->offset, 2u);
  EXPECT_EQ(on_x86->size, 9u);
  const auto on_arm64 = FindSignalTrampoline(arm64_machine, AsBytes(code));
  ASSERT_TRUE(on_arm64);
  EXPECT_EQ(on_arm64->offset, 11u);
  EXPECT_EQ(on_arm64->size, 8u);
  EXPECT_FALSE(FindSignalTrampoline(x86_machine, AsBytes(code.substr(0, 10)))) << "cut";
  EXPECT_FALSE(FindSignalTrampoline(x86_machine, {}));
}

}  // namespace
}  // namespace kiln::symbolizer
