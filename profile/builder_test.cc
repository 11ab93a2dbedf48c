// SPDX-License-Identifier: Apache-2.0
#include "profile/builder.h"

#include <gtest/gtest.h>

#include <limits>

#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::profile {
namespace {

TEST(ProfileBuilder, MakesAValidProfile) {
  const Profile profile = ExampleProfile();
  EXPECT_TRUE(Validate(profile).ok()) << Validate(profile);
  EXPECT_EQ(profile.samples.size(), 5u);
}

TEST(ProfileBuilder, EqualItemsShareOneIndex) {
  ProfileBuilder b;
  EXPECT_EQ(b.String("a"), b.String(std::string("a")));
  EXPECT_NE(b.String("a"), b.String("b"));
  const Location location{std::nullopt, 7, FrameType::kNative, {}};
  EXPECT_EQ(b.AddLocation(location), b.AddLocation(location));
  EXPECT_NE(b.AddLocation(location), b.AddLocation({std::nullopt, 7, FrameType::kKernel, {}}));
  EXPECT_EQ(b.AddStack({}), b.AddStack({}));
}

TEST(ProfileBuilder, TextOfItsOwnTableMayBeAddedAgain) {
  ProfileBuilder b;
  const StringIndex value = b.String("short");
  for (int i = 0; i < 5000; ++i) {
    const AttributeIndex index = b.AddAttribute(fmt::format("key {}", i), b.profile().strings[value]);
    EXPECT_EQ(std::get<StringIndex>(b.profile().attributes[index].value), value);
  }
}

TEST(ProfileBuilder, MappingsKeepOnlyRangesThatCanBe) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  struct Range {
    uint64_t start, limit;
    bool operator==(const Range&) const = default;
  };
  const std::pair<Range, Range> cases[] = {
      {{0x1000, 0x2000}, {0x1000, 0x2000}}, {{0x1000, 0}, {0x1000, 0}}, {{0x1000, 0x1000}, {0x1000, 0}},
      {{0x2000, 0x1000}, {0x2000, 0}},      {{0, kTop}, {0, 0}},        {{kTop, 0}, {0, 0}},
      {{0, 0x1000}, {0, 0x1000}},           {{0, 0}, {0, 0}},
  };
  for (const auto& [given, kept] : cases) {
    ProfileBuilder b;
    const MappingIndex index = b.AddMapping({given.start, given.limit, 0, b.String("f"), StringIndex(0)});
    const Mapping& mapping = b.profile().mappings[index];
    EXPECT_EQ((Range{mapping.memory_start, mapping.memory_limit}), kept) << given.start << " " << given.limit;
  }
}

TEST(ProfileBuilder, AttributeSetsAreSortedAndTheLastOfEqualKeysWins) {
  ProfileBuilder b;
  const auto first = b.AddAttribute("k", "old");
  const auto second = b.AddAttribute("k", "new");
  const auto other = b.AddAttribute("a", 1);
  const auto index = b.AddAttributeSet(std::vector{first, second, other});
  const auto& set = b.profile().attribute_sets[index].attributes;
  EXPECT_EQ(set, (std::vector{other, second}));
  EXPECT_EQ(b.AddAttributeSet(std::vector{other, second}), index);
}

TEST(ProfileBuilder, SamplesWithEqualKeysAddUpAndSaturate) {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  const SampleKey key{b.AddStack({}), AttributeSetIndex(0), AttributeSetIndex(0), std::nullopt};
  b.AddSample(key, {{2}});
  b.AddSample(key, {{3}});
  ASSERT_EQ(b.profile().samples.size(), 1u);
  EXPECT_EQ(b.profile().samples[0].values[0], 5);
  b.AddSample(key, {{std::numeric_limits<int64_t>::max()}});
  EXPECT_EQ(b.profile().samples[0].values[0], std::numeric_limits<int64_t>::max());
}

TEST(ProfileBuilder, ReplacesInvalidUtf8) {
  ProfileBuilder b;
  EXPECT_EQ(b.profile().strings[b.String("a\xff")], "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace kiln::profile
