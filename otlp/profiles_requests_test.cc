// SPDX-License-Identifier: Apache-2.0
#include "otlp/profiles_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "otlp/profiles.pb.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::otlp {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
using profile::Dump;
using profile::Profile;
using profile::StringIndex;

// Ids 1, 2, 3, …
RequestOptions Limits(size_t max_bytes, int64_t max_samples) {
  RequestOptions options{.max_bytes = max_bytes, .max_samples = max_samples};
  options.new_profile_id = [next = uint32_t{0}]() mutable {
    ++next;
    return ProfileId{static_cast<uint8_t>(next >> 16), static_cast<uint8_t>(next >> 8), static_cast<uint8_t>(next), 1};
  };
  return options;
}

constexpr size_t kAnyBytes = std::numeric_limits<size_t>::max();
constexpr int64_t kAnySamples = std::numeric_limits<int64_t>::max();

pb::ProfilesData Parsed(const EncodedRequest& request) {
  pb::ProfilesData message;
  EXPECT_TRUE(message.ParseFromString(request.bytes));
  return message;
}

// Three sample types over two resources; each sample has values for one to three of them.
Profile MixedProfile() {
  profile::ProfileBuilder b;
  b.SetSampleTypes({b.Type("alloc_objects", "count"), b.Type("alloc_space", "bytes"), b.Type("samples", "count")});
  b.SetPeriod(b.Type("space", "bytes"), 512);
  b.SetTime(1'700'000'000'000'000'000, 1'000'000'000);
  const StringIndex none(0);
  for (int64_t i = 0; i < 60; ++i) {
    const auto function = b.AddFunction({b.String(fmt::format("f{}", i)), none, none, 0});
    const auto location =
        b.AddLocation({std::nullopt, static_cast<uint64_t>(i), profile::FrameType::kGo, {{function, i, 0}}});
    const auto resource = b.AddAttributeSet(std::vector{b.AddAttribute("process.pid", i % 2)});
    const auto attributes = b.AddAttributeSet(std::vector{b.AddAttribute("thread.name", fmt::format("t{}", i % 7))});
    b.AddSample({b.AddStack({location}), resource, attributes, std::nullopt},
                {{i % 3 == 0 ? 0 : i, i % 5 == 0 ? 0 : 10 * i, i % 2}});
  }
  b.SetProperties(b.AddAttributeSet(std::vector{b.AddAttribute("kiln.version", "1")}));
  return std::move(b).Finish();
}

// All requests in one profile, with the sample types of `whole`.
Profile Union(const std::vector<EncodedRequest>& requests, const Profile& whole) {
  profile::ProfileBuilder into;
  std::vector<profile::ValueType> types;
  for (const auto& type : whole.sample_types) {
    types.push_back(into.Type(whole.strings[type.type], whole.strings[type.unit]));
  }
  into.SetSampleTypes(types);
  into.SetPeriod(into.Type(whole.strings[whole.period_type.type], whole.strings[whole.period_type.unit]), whole.period);
  into.SetTime(whole.time_unix_nano, whole.duration_nano);
  for (const EncodedRequest& request : requests) {
    const auto decoded = DecodeProfilesData(request.bytes);
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(Validate(*decoded), absl::OkStatus());
    const Profile& part = *decoded;
    EXPECT_EQ(part.period, whole.period);
    EXPECT_EQ(part.time_unix_nano, whole.time_unix_nano);
    EXPECT_EQ(part.duration_nano, whole.duration_nano);
    const auto set = [&](profile::AttributeSetIndex index) {
      std::vector<profile::AttributeIndex> out;
      for (const auto attribute : part.attribute_sets[index].attributes) {
        profile::Attribute copy = part.attributes[attribute];
        copy.key = into.String(part.strings[copy.key]);
        copy.unit = into.String(part.strings[copy.unit]);
        if (auto* text = std::get_if<StringIndex>(&copy.value)) *text = into.String(part.strings[*text]);
        out.push_back(into.AddAttribute(copy));
      }
      return into.AddAttributeSet(out);
    };
    for (const profile::Sample& sample : part.samples) {
      std::vector<profile::LocationIndex> stack;
      for (const auto index : part.stacks[sample.key.stack].locations) {
        profile::Location location = part.locations[index];
        if (location.mapping) {
          profile::Mapping mapping = part.mappings[*location.mapping];
          mapping.filename = into.String(part.strings[mapping.filename]);
          mapping.build_id = into.String(part.strings[mapping.build_id]);
          location.mapping = into.AddMapping(mapping);
        }
        for (profile::Line& line : location.lines) {
          profile::Function function = part.functions[line.function];
          function.name = into.String(part.strings[function.name]);
          function.system_name = into.String(part.strings[function.system_name]);
          function.filename = into.String(part.strings[function.filename]);
          line.function = into.AddFunction(function);
        }
        stack.push_back(into.AddLocation(location));
      }
      std::vector<int64_t> values(types.size());
      for (size_t i = 0; i < part.sample_types.size(); ++i) {
        const auto type = into.Type(part.strings[part.sample_types[i].type], part.strings[part.sample_types[i].unit]);
        values[static_cast<size_t>(std::ranges::find(types, type) - types.begin())] = sample.values[i];
      }
      profile::SampleKey key{into.AddStack(stack), set(sample.key.resource), set(sample.key.attributes), std::nullopt};
      if (sample.key.link) key.link = into.AddLink(part.links[*sample.key.link]);
      into.AddSample(key, values);
    }
    if (part.properties.value() != 0) into.SetProperties(set(part.properties));
  }
  return std::move(into).Finish();
}

// The rules of the specification that a writer can break by splitting: every table begins with its zero value, holds
// nothing twice and nothing that is not referred to; no reference is out of range.
void CheckDictionary(const pb::ProfilesData& message) {
  const pb::ProfilesDictionary& d = message.dictionary();
  std::set<int> strings{0}, attributes{0}, mappings{0}, functions{0}, locations{0}, stacks{0}, links{0};
  ASSERT_GT(message.resource_profiles_size(), 0);
  for (const auto& resource : message.resource_profiles()) {
    ASSERT_EQ(resource.scope_profiles_size(), 1);
    ASSERT_GT(resource.scope_profiles(0).profiles_size(), 0);
    for (const auto& profile : resource.scope_profiles(0).profiles()) {
      ASSERT_GT(profile.samples_size(), 0);
      for (const auto* type : {&profile.sample_type(), &profile.period_type()}) {
        strings.insert({type->type_strindex(), type->unit_strindex()});
      }
      attributes.insert(profile.attribute_indices().begin(), profile.attribute_indices().end());
      for (const auto& sample : profile.samples()) {
        stacks.insert(sample.stack_index());
        links.insert(sample.link_index());
        attributes.insert(sample.attribute_indices().begin(), sample.attribute_indices().end());
        ASSERT_EQ(sample.values_size(), 1);
      }
    }
  }
  ASSERT_LT(*stacks.rbegin(), d.stack_table_size());
  for (const int i : stacks) {
    locations.insert(d.stack_table(i).location_indices().begin(), d.stack_table(i).location_indices().end());
  }
  ASSERT_LT(*locations.rbegin(), d.location_table_size());
  for (const int i : locations) {
    mappings.insert(d.location_table(i).mapping_index());
    for (const auto& line : d.location_table(i).lines()) functions.insert(line.function_index());
    attributes.insert(d.location_table(i).attribute_indices().begin(), d.location_table(i).attribute_indices().end());
  }
  ASSERT_LT(*mappings.rbegin(), d.mapping_table_size());
  for (const int i : mappings) {
    strings.insert(d.mapping_table(i).filename_strindex());
    attributes.insert(d.mapping_table(i).attribute_indices().begin(), d.mapping_table(i).attribute_indices().end());
  }
  ASSERT_LT(*functions.rbegin(), d.function_table_size());
  for (const int i : functions) {
    const auto& f = d.function_table(i);
    strings.insert({f.name_strindex(), f.system_name_strindex(), f.filename_strindex()});
  }
  ASSERT_LT(*attributes.rbegin(), d.attribute_table_size());
  for (const int i : attributes) {
    strings.insert({d.attribute_table(i).key_strindex(), d.attribute_table(i).unit_strindex()});
  }
  const auto check = [](const auto& table, const std::set<int>& used) {
    EXPECT_EQ(used.size(), static_cast<size_t>(table.size())) << "orphans";
    EXPECT_EQ(*used.rbegin(), table.size() - 1);
    std::set<std::string> distinct;
    for (const auto& entry : table) {
      if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::string>) {
        distinct.insert(entry);
      } else {
        distinct.insert(entry.SerializeAsString());
      }
    }
    EXPECT_EQ(distinct.size(), static_cast<size_t>(table.size())) << "duplicates";
  };
  check(d.string_table(), strings);
  check(d.attribute_table(), attributes);
  check(d.mapping_table(), mappings);
  check(d.function_table(), functions);
  check(d.location_table(), locations);
  check(d.stack_table(), stacks);
  check(d.link_table(), links);
  EXPECT_EQ(d.string_table(0), "");
  EXPECT_EQ(d.stack_table(0).ByteSizeLong() + d.location_table(0).ByteSizeLong() + d.link_table(0).ByteSizeLong() +
                d.mapping_table(0).ByteSizeLong() + d.function_table(0).ByteSizeLong() +
                d.attribute_table(0).ByteSizeLong(),
            0u);
}

int64_t Items(const pb::ProfilesData& message) {
  int64_t items = 0;
  for (const auto& resource : message.resource_profiles()) {
    for (const auto& profile : resource.scope_profiles(0).profiles()) items += profile.samples_size();
  }
  return items;
}

TEST(ProfilesRequests, PiecesAreWithinTheLimitsAndSayTogetherWhatTheWholeSays) {
  for (const Profile& whole : {profile::SyntheticProfile(150), MixedProfile(), profile::ExampleProfile()}) {
    for (const auto& [bytes, samples] : std::vector<std::pair<size_t, int64_t>>{
             {kAnyBytes, kAnySamples}, {40'000, kAnySamples}, {4000, kAnySamples}, {kAnyBytes, 7}, {20'000, 100}}) {
      const auto requests = EncodeProfilesRequests(whole, Limits(bytes, samples));
      int64_t weight = 0;
      for (const EncodedRequest& request : requests) {
        const pb::ProfilesData message = Parsed(request);
        CheckDictionary(message);
        EXPECT_EQ(request.items, Items(message));
        EXPECT_LE(request.items, samples);
        weight += request.weight;
        const bool single = request.items <= static_cast<int64_t>(whole.sample_types.size());
        if (!single) {
          EXPECT_LE(request.bytes.size(), bytes);
        }
      }
      EXPECT_EQ(Dump(Union(requests, whole)), Dump(whole)) << bytes << ", " << samples;
      int64_t total = 0;
      for (const profile::Sample& sample : whole.samples) total += sample.values.back();
      EXPECT_EQ(weight, total);
    }
  }
}

TEST(ProfilesRequests, OneRequestIsWhatEncodeProfilesDataWrites) {
  const Profile whole = profile::ExampleProfile();
  const auto requests = EncodeProfilesRequests(whole, Limits(kAnyBytes, kAnySamples));
  ASSERT_EQ(requests.size(), 1u);
  EncodeOptions options;
  options.new_profile_id = Limits(0, 0).new_profile_id;
  EXPECT_EQ(requests[0].bytes, EncodeProfilesData(whole, options));
  EXPECT_EQ(requests[0].items, 5);
  EXPECT_EQ(requests[0].weight, 100);
}

TEST(ProfilesRequests, FillsTheRequestsWell) {
  Profile whole = profile::SyntheticProfile(1500);
  for (profile::Sample& sample : whole.samples) sample.key.resource = whole.samples[0].key.resource;
  const auto requests = EncodeProfilesRequests(whole, Limits(100'000, kAnySamples));
  EXPECT_GT(requests.size(), 2u);
  for (size_t i = 0; i + 1 < requests.size(); ++i) EXPECT_GT(requests[i].bytes.size(), 99'000u);
}

TEST(ProfilesRequests, KeepsAResourceTogetherThatFitsIntoOneRequest) {
  profile::ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  for (int64_t i = 0; i < 40; ++i) {
    const auto resource = b.AddAttributeSet(std::vector{b.AddAttribute("process.pid", i / 10)});
    const auto attributes = b.AddAttributeSet(std::vector{b.AddAttribute("thread.id", i)});
    b.AddSample({b.AddStack({}), resource, attributes, std::nullopt}, {{1}});
  }
  const auto requests = EncodeProfilesRequests(b.profile(), Limits(kAnyBytes, 25));
  ASSERT_EQ(requests.size(), 2u);
  for (const EncodedRequest& request : requests) {
    EXPECT_EQ(request.items, 20);
    EXPECT_EQ(Parsed(request).resource_profiles_size(), 2);
  }
}

TEST(ProfilesRequests, TearsAResourceApartThatIsTooLargeAlone) {
  Profile whole = profile::SyntheticProfile(500);
  for (profile::Sample& sample : whole.samples) sample.key.resource = whole.samples[0].key.resource;
  const auto requests = EncodeProfilesRequests(whole, Limits(kAnyBytes, 60));
  ASSERT_EQ(requests.size(), (whole.samples.size() + 59) / 60);
  for (size_t i = 0; i + 1 < requests.size(); ++i) EXPECT_EQ(requests[i].items, 60);
}

TEST(ProfilesRequests, ASampleThatIsTooLargeAloneGetsARequestOfItsOwn) {
  const Profile whole = profile::ExampleProfile();
  const auto requests = EncodeProfilesRequests(whole, Limits(1, 1));
  ASSERT_EQ(requests.size(), whole.samples.size());
  for (const EncodedRequest& request : requests) EXPECT_EQ(request.items, 1);
  EXPECT_EQ(Dump(Union(requests, whole)), Dump(whole));
}

TEST(ProfilesRequests, PropertiesStandInTheFirstRequestOnly) {
  int with_attributes = 0;
  const auto requests = EncodeProfilesRequests(profile::SyntheticProfile(300), Limits(kAnyBytes, 50));
  EXPECT_GT(requests.size(), 2u);
  for (const EncodedRequest& request : requests) {
    const pb::ProfilesData message = Parsed(request);
    for (const auto& resource : message.resource_profiles()) {
      with_attributes += resource.scope_profiles(0).profiles(0).attribute_indices_size() > 0;
    }
  }
  EXPECT_EQ(with_attributes, 1);
  EXPECT_GT(Parsed(requests[0]).resource_profiles(0).scope_profiles(0).profiles(0).attribute_indices_size(), 0);
}

TEST(ProfilesRequests, NoSamplesNoRequest) {
  EXPECT_TRUE(EncodeProfilesRequests(profile::SyntheticProfile(0)).empty());
}

TEST(ProfilesRequests, WritesScopeAttributesLiterally) {
  RequestOptions options;
  options.scope_attributes = {{"kiln.host", "a"}};
  const auto requests = EncodeProfilesRequests(profile::ExampleProfile(), options);
  const pb::ProfilesData message = Parsed(requests.at(0));
  const auto& scope = message.resource_profiles(0).scope_profiles(0).scope();
  ASSERT_EQ(scope.attributes_size(), 1);
  EXPECT_EQ(scope.attributes(0).key(), "kiln.host");
  EXPECT_EQ(scope.attributes(0).value().string_value(), "a");
}

TEST(ProfilesRequests, WeightIsTheNumberOfItemsWithoutSamplesCount) {
  Profile whole = profile::ExampleProfile();
  whole.strings[whole.sample_types[0].type] = "events";
  const auto requests = EncodeProfilesRequests(whole);
  EXPECT_EQ(requests.at(0).weight, 5);
}

}  // namespace
}  // namespace kiln::otlp
