// SPDX-License-Identifier: Apache-2.0
#include "pprof/labels.h"

#include <gtest/gtest.h>

#include "profile/builder.h"

namespace kiln::pprof {
namespace {

TEST(Labels, NamesAProcessByTheBestThatIsKnown) {
  profile::ProfileBuilder b;
  const auto pid = b.AddAttribute("process.pid", 7);
  const auto service = b.AddAttribute("service.name", "shop");
  const auto name = b.AddAttribute("process.executable.name", "java");
  const auto named = [&](std::vector<profile::AttributeIndex> attributes) {
    const auto set = b.AddAttributeSet(attributes);
    return ProcessName(b.profile(), set);
  };
  EXPECT_EQ(named({pid, service, name}), "java");
  EXPECT_EQ(named({pid, service}), "shop");
  EXPECT_EQ(named({pid}), "process 7");
  EXPECT_EQ(named({}), "");
}

TEST(Labels, ShowsModuleAndAddressOfAFrameWithoutAName) {
  profile::ProfileBuilder b;
  const profile::StringIndex none(0);
  const auto libc = b.AddMapping({0, 0, 0, b.String("/lib/libc.so.6"), none});
  const auto kernel = b.AddMapping({0, 0, 0, b.String("[kernel.kallsyms]"), none});
  const auto text = [&](std::optional<profile::MappingIndex> mapping, uint64_t address) {
    return BareFrameName(b.profile(), {mapping, address, profile::FrameType::kUnknown, {}});
  };
  EXPECT_EQ(text(libc, 0x1234), "[libc.so.6+0x1234]");
  EXPECT_EQ(text(kernel, 0x10), "[kernel.kallsyms+0x10]");
  EXPECT_EQ(text(std::nullopt, 0x10), "[0x10]");
  EXPECT_EQ(text(std::nullopt, 0), "[unknown]");
}

}  // namespace
}  // namespace kiln::pprof
