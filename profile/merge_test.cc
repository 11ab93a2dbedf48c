// SPDX-License-Identifier: Apache-2.0
#include "profile/merge.h"

#include <gtest/gtest.h>

#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::profile {
namespace {

TEST(Merge, TwiceTheSameDoublesTheValuesAndAddsNoItems) {
  const Profile once = ExampleProfile();
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  ASSERT_TRUE(Merge(once, b).ok());
  ASSERT_TRUE(Merge(once, b).ok());
  const Profile twice = std::move(b).Finish();
  EXPECT_TRUE(Validate(twice).ok()) << Validate(twice);
  auto expected = TotalsByStack(once);
  for (auto& [stack, total] : expected) total *= 2;
  EXPECT_EQ(TotalsByStack(twice), expected);
  EXPECT_EQ(twice.samples.size(), once.samples.size());
  EXPECT_EQ(twice.locations.size(), once.locations.size());
}

TEST(Merge, RefusesOtherSampleTypes) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("wall", "nanoseconds")});
  EXPECT_EQ(Merge(ExampleProfile(), b).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kiln::profile
