// SPDX-License-Identifier: Apache-2.0
#include "profile/frame_type.h"

#include <gtest/gtest.h>

namespace kiln::profile {
namespace {

TEST(FrameType, NamesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(FrameType::kV8js); ++i) {
    const auto type = static_cast<FrameType>(i);
    EXPECT_EQ(FrameTypeFromName(FrameTypeName(type)), type);
  }
  EXPECT_EQ(FrameTypeFromName("cobol"), FrameType::kUnknown);
}

TEST(FrameType, FollowsTheNamesOfMappings) {
  EXPECT_EQ(FrameTypeFromConvention("[kernel.kallsyms]", "f"), FrameType::kKernel);
  EXPECT_EQ(FrameTypeFromConvention("[ext4]", "f"), FrameType::kKernel);
  EXPECT_EQ(FrameTypeFromConvention("[vdso]", "f"), FrameType::kNative);
  EXPECT_EQ(FrameTypeFromConvention("/bin/a", "f"), FrameType::kNative);
  EXPECT_EQ(FrameTypeFromConvention("/tmp/perf-7.map", "f"), FrameType::kJit);
  EXPECT_EQ(FrameTypeFromConvention("", "[truncated: depth]"), FrameType::kTruncated);
  EXPECT_EQ(FrameTypeFromConvention("", "f"), FrameType::kUnknown);
}

}  // namespace
}  // namespace kiln::profile
