// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/tracked_register.h"

#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"
#include "symbolizer/unwind/cfi_program.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using testing::ElfBuilder;
using testing::Le;
using testing::Sleb;

constexpr uint64_t kText = 0x1000;
constexpr uint64_t kRbx = 3;
const std::string kCall = Bytes({0xe8}) + Le<int32_t>(0x10);

// The register that is chosen for one function with this code and these instructions.
uint64_t Choose(const std::string& code, const std::string& instructions) {
  ElfBuilder elf;
  std::string text = code;
  text.resize(0x100, '\x90');
  elf.AddLoadedBytes(kText, text, PF_R | PF_X);
  CfiBuilder builder(true, 0x20000);
  builder.AddFde(builder.AddCie({}), kText, 0x100, instructions);
  const auto bytes = AsBytes(builder.bytes());
  const CfiSection section(CfiSection::Kind::kEhFrame, std::vector<std::byte>(bytes.begin(), bytes.end()),
                           ElfAddress(0x20000), {});
  CfaRegisterCounts counts{};
  CountOtherCfa(*FindUnwindMachine(EM_X86_64), section, *elf.Open(), counts);
  return ChooseTrackedRegister(counts);
}

TEST(TrackedRegister, OfCodeThatCallsOnIt) {
  EXPECT_EQ(Choose(kCall, Bytes({0x0d, 3})), kRbx);
  EXPECT_EQ(Choose(kCall, Bytes({0x0c, 3, 16})), kRbx);
  EXPECT_EQ(Choose(kCall, Bytes({0x12, 3}) + Sleb(-2)), kRbx);
  EXPECT_EQ(Choose(kCall, Bytes({0x0f, 3, 0x7c, 8, 0x06})), 12u) << "*(R12 + 8)";
  EXPECT_EQ(Choose(Bytes({0xff, 0xd0}), Bytes({0x0d, 3})), kRbx) << "call *%rax";
}

TEST(TrackedRegister, NoneWithoutACall) {
  EXPECT_EQ(Choose("", Bytes({0x0d, 3})), kNoDwarfRegister);
  EXPECT_EQ(Choose(Bytes({0xe8}) + Le<int32_t>(0x100000), Bytes({0x0d, 3})), kNoDwarfRegister) << "leads to no code";
  EXPECT_EQ(Choose(std::string(0x20, '\x90') + kCall, Bytes({0x0d, 3, 0x50, 0x0d, 7})), kNoDwarfRegister)
      << "the call is behind";
}

TEST(TrackedRegister, NoneThatCalleesMayChange) {
  EXPECT_EQ(Choose(kCall, Bytes({0x0d, 10})), kNoDwarfRegister);
  EXPECT_EQ(Choose(kCall, Bytes({0x0d, 0})), kNoDwarfRegister) << "RAX";
}

TEST(TrackedRegister, NoneOnFramePointers) {
  EXPECT_EQ(Choose(kCall, Bytes({0x0d, 6})), kNoDwarfRegister);
  EXPECT_EQ(Choose(kCall, Bytes({0x0e, 3})), kNoDwarfRegister) << "a number that looks like it";
}

TEST(TrackedRegister, CallsOfArm64) {
  const UnwindMachine& arm64 = *FindUnwindMachine(EM_AARCH64);
  const ElfFile elf = *ElfBuilder().Open();
  const auto may_call = [&](uint32_t instruction) {
    return MayCall(arm64, elf, ElfAddress(0), AsBytes(Le(instruction)));
  };
  EXPECT_TRUE(may_call(0x94000010)) << "bl";
  EXPECT_TRUE(may_call(0xd63f0000)) << "blr x0";
  EXPECT_TRUE(may_call(0xd73f0801)) << "blraa x0, x1";
  EXPECT_FALSE(may_call(0x14000010)) << "b";
  EXPECT_FALSE(may_call(0xd61f0000)) << "br x0";
  EXPECT_FALSE(may_call(0xd65f03c0)) << "ret";
}

}  // namespace
}  // namespace kiln::symbolizer
