// SPDX-License-Identifier: Apache-2.0
#include "otlp/profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "otlp/profiles.pb.h"
#include "otlp/semconv.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::otlp {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
using profile::AttributeSetIndex;
using profile::Dump;
using profile::ExampleProfile;
using profile::Profile;
using profile::StringIndex;

// Ids 1, 2, 3, …
EncodeOptions CountingIds() {
  return {.new_profile_id = [next = uint8_t{0}]() mutable { return ProfileId{++next}; }};
}

Profile Decoded(std::string_view bytes) {
  auto profile = DecodeProfilesData(bytes);
  EXPECT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(Validate(*profile), absl::OkStatus());
  return *std::move(profile);
}

pb::ProfilesData Message(const Profile& profile) {
  pb::ProfilesData message;
  EXPECT_TRUE(message.ParseFromString(EncodeProfilesData(profile, CountingIds())));
  return message;
}

// Three sample types, one of them without samples; attributes of each kind.
Profile MixedProfile() {
  profile::ProfileBuilder b;
  b.SetSampleTypes({b.Type("a", "count"), b.Type("b", "bytes"), b.Type("c", "count")});
  b.SetPeriod(b.Type("space", "bytes"), 512);
  const StringIndex none(0);
  const auto mapping = b.AddMapping({0x1000, 0, 0, b.String("/bin/server"), none});
  const auto function = b.AddFunction({b.String("f"), none, none, 0});
  const auto location = b.AddLocation({mapping, 0x1234, profile::FrameType::kGo, {{function, 3, 0}}});
  const auto all = b.AddAttributeSet(std::vector{
      b.AddAttribute({b.String("yes"), true, none}), b.AddAttribute({b.String("ratio"), 0.25, none}),
      b.AddAttribute("size", 64, "bytes"), b.AddAttribute("empty", ""), b.AddAttribute("profile.frame.type", "go")});
  const auto other = b.AddAttributeSet(std::vector{b.AddAttribute("process.pid", 4)});
  const AttributeSetIndex empty(0);
  b.AddSample({b.AddStack({location}), empty, all, std::nullopt}, {{1, 64, 0}});
  b.AddSample({b.AddStack({location}), other, empty, b.AddLink({{1}, {2}})}, {{0, 7, 0}});
  b.AddSample({b.AddStack({}), other, empty, std::nullopt}, {{0, 0, 0}});
  b.SetProperties(all);
  return std::move(b).Finish();
}

TEST(Profiles, KeepsEverythingOfAProfile) {
  Profile no_samples = ExampleProfile();
  no_samples.samples.clear();
  for (const Profile& profile : {ExampleProfile(), profile::SyntheticProfile(3000), MixedProfile(), no_samples}) {
    EXPECT_EQ(Dump(Decoded(EncodeProfilesData(profile))), Dump(profile));
  }
}

TEST(Profiles, EqualProfilesAndIdsGiveEqualBytes) {
  EXPECT_EQ(EncodeProfilesData(profile::SyntheticProfile(500), CountingIds()),
            EncodeProfilesData(profile::SyntheticProfile(500), CountingIds()));
}

TEST(Profiles, WritesTheShapeThatBackEndsExpect) {
  const pb::ProfilesData message = Message(ExampleProfile());
  const auto& strings = message.dictionary().string_table();
  ASSERT_EQ(message.resource_profiles_size(), 2);
  for (const pb::ResourceProfiles& resource : message.resource_profiles()) {
    EXPECT_EQ(resource.schema_url(), kSchemaUrl);
    ASSERT_EQ(resource.resource().attributes_size(), 2);
    EXPECT_EQ(resource.resource().attributes(0).key(), "process.executable.name");
    EXPECT_TRUE(resource.resource().attributes(0).value().has_string_value());
    ASSERT_EQ(resource.scope_profiles_size(), 1);
    EXPECT_EQ(resource.scope_profiles(0).scope().name(), "kiln");
    EXPECT_FALSE(resource.scope_profiles(0).scope().version().empty());
    ASSERT_EQ(resource.scope_profiles(0).profiles_size(), 1);
    const pb::Profile& profile = resource.scope_profiles(0).profiles(0);
    EXPECT_EQ(strings[profile.sample_type().type_strindex()], "samples");
    EXPECT_EQ(strings[profile.sample_type().unit_strindex()], "count");
    EXPECT_EQ(strings[profile.period_type().type_strindex()], "cpu");
    EXPECT_EQ(strings[profile.period_type().unit_strindex()], "nanoseconds");
    EXPECT_EQ(profile.period(), 10'101'010);
    EXPECT_EQ(profile.profile_id().size(), 16u);
    for (const pb::Sample& sample : profile.samples()) {
      EXPECT_EQ(sample.values_size(), 1);
      EXPECT_EQ(sample.timestamps_unix_nano_size(), 0);
    }
  }
}

TEST(Profiles, WritesPropertiesOnceAndIdsThatDiffer) {
  const pb::ProfilesData message = Message(profile::SyntheticProfile(300));
  std::set<std::string> ids;
  int with_attributes = 0;
  for (const pb::ResourceProfiles& resource : message.resource_profiles()) {
    const pb::Profile& profile = resource.scope_profiles(0).profiles(0);
    ids.insert(profile.profile_id());
    with_attributes += profile.attribute_indices_size() > 0;
  }
  EXPECT_GT(message.resource_profiles_size(), 1);
  EXPECT_EQ(ids.size(), static_cast<size_t>(message.resource_profiles_size()));
  EXPECT_EQ(with_attributes, 1);
  EXPECT_NE(RandomProfileId(), RandomProfileId());
}

TEST(Profiles, WritesAProfilePerSampleType) {
  const pb::ProfilesData message = Message(MixedProfile());
  ASSERT_EQ(message.resource_profiles_size(), 2);
  EXPECT_EQ(message.resource_profiles(0).scope_profiles(0).profiles_size(), 3);
  const auto& second = message.resource_profiles(1).scope_profiles(0);
  ASSERT_EQ(second.profiles_size(), 2);
  EXPECT_EQ(second.profiles(0).samples_size(), 1);  // the sample whose values are all 0
  EXPECT_EQ(second.profiles(1).samples(0).values(0), 7);
}

TEST(Profiles, WritesOnlyWhatIsReferredTo) {
  Profile profile = ExampleProfile();
  profile.samples.erase(profile.samples.begin() + 1, profile.samples.end());
  const pb::ProfilesDictionary dictionary = Message(profile).dictionary();
  EXPECT_EQ(dictionary.mapping_table_size(), 1 + 1);
  EXPECT_EQ(dictionary.function_table_size(), 1 + 3);
  EXPECT_EQ(dictionary.location_table_size(), 1 + 2);
  EXPECT_EQ(dictionary.stack_table_size(), 1 + 1);
  EXPECT_EQ(dictionary.link_table_size(), 1);
  EXPECT_EQ(dictionary.attribute_table_size(), 1 + 2 + 1 + 1 + 2);  // thread, frame type, build id, properties
}

TEST(Profiles, EachTableStartsWithTheZeroValueAndHasNoDuplicates) {
  for (const Profile& profile : {profile::SyntheticProfile(2000), MixedProfile(), ExampleProfile()}) {
    const pb::ProfilesDictionary dictionary = Message(profile).dictionary();
    const auto check = [](const auto& table) {
      ASSERT_GT(table.size(), 0);
      EXPECT_EQ(table[0].SerializeAsString(), "");
      std::set<std::string> seen;
      for (const auto& entry : table) EXPECT_TRUE(seen.insert(entry.SerializeAsString()).second);
    };
    check(dictionary.mapping_table());
    check(dictionary.location_table());
    check(dictionary.function_table());
    check(dictionary.link_table());
    check(dictionary.attribute_table());
    check(dictionary.stack_table());
    ASSERT_EQ(dictionary.string_table(0), "");
    const std::set<std::string> texts(dictionary.string_table().begin(), dictionary.string_table().end());
    EXPECT_EQ(texts.size(), static_cast<size_t>(dictionary.string_table_size()));
  }
}

TEST(Profiles, KeepsMappingRangesLegal) {
  Profile profile = ExampleProfile();
  auto& app = profile.mappings[profile::MappingIndex(0)];
  app.memory_limit = 0;
  const pb::ProfilesData message = Message(profile);
  EXPECT_EQ(message.dictionary().mapping_table(1).memory_start(), 0x1000u);
  EXPECT_EQ(message.dictionary().mapping_table(1).memory_limit(), UINT64_MAX);
  EXPECT_EQ(Dump(Decoded(message.SerializeAsString())), Dump(profile));
}

TEST(Profiles, WritesInlinedFunctionsInnermostFirst) {
  const pb::ProfilesData message = Message(ExampleProfile());
  const auto& dictionary = message.dictionary();
  const auto& work = dictionary.location_table(1);
  ASSERT_EQ(work.lines_size(), 2);
  const auto name = [&](int line) {
    return dictionary.string_table(dictionary.function_table(work.lines(line).function_index()).name_strindex());
  };
  EXPECT_EQ(name(0), "add(int)");
  EXPECT_EQ(name(1), "work<int>(int)");
}

}  // namespace
}  // namespace kiln::otlp
