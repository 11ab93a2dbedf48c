// SPDX-License-Identifier: Apache-2.0
// What other senders' data and hostile data do to DecodeProfilesData; the messages are built here, field by field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "otlp/profiles.h"
#include "otlp/profiles.pb.h"
#include "profile/dump.h"
#include "profile/validate.h"

namespace kiln::otlp {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
using profile::Dump;
using ::testing::HasSubstr;

int AddText(pb::ProfilesData& m, const std::string& text) {
  m.mutable_dictionary()->add_string_table(text);
  return m.dictionary().string_table_size() - 1;
}

pb::Profile& FirstProfile(pb::ProfilesData& m) {
  return *m.mutable_resource_profiles(0)->mutable_scope_profiles(0)->mutable_profiles(0);
}

pb::KeyValueAndUnit& AddAttribute(pb::ProfilesData& m, const std::string& key) {
  auto& attribute = *m.mutable_dictionary()->add_attribute_table();
  attribute.set_key_strindex(AddText(m, key));
  return attribute;
}

// One sample, as a sender that records single events writes it: timestamps without values.
pb::ProfilesData EventMessage() {
  pb::ProfilesData m;
  auto& d = *m.mutable_dictionary();
  d.add_string_table("");
  d.add_mapping_table();
  d.add_location_table();
  d.add_function_table();
  d.add_link_table();
  d.add_attribute_table();
  d.add_stack_table();
  d.add_mapping_table()->set_filename_strindex(AddText(m, "/bin/server"));
  d.add_function_table()->set_name_strindex(AddText(m, "Serve"));
  auto& location = *d.add_location_table();
  location.set_mapping_index(1);
  location.set_address(0x40);
  location.add_lines()->set_function_index(1);
  d.add_stack_table()->add_location_indices(1);
  auto& link = *d.add_link_table();
  link.set_trace_id(std::string(16, '\x01'));
  link.set_span_id(std::string(8, '\x02'));
  auto& profile = *m.add_resource_profiles()->add_scope_profiles()->add_profiles();
  profile.mutable_sample_type()->set_type_strindex(AddText(m, "samples"));
  profile.mutable_sample_type()->set_unit_strindex(AddText(m, "count"));
  profile.set_time_unix_nano(1000);
  profile.set_duration_nano(500);
  auto& sample = *profile.add_samples();
  sample.set_stack_index(1);
  for (uint64_t time : {1001, 1002, 1003}) sample.add_timestamps_unix_nano(time);
  return m;
}

std::string DumpOf(const pb::ProfilesData& message) {
  const auto profile = DecodeProfilesData(message.SerializeAsString());
  EXPECT_TRUE(profile.ok()) << profile.status();
  if (!profile.ok()) return "";
  EXPECT_EQ(Validate(*profile), absl::OkStatus());
  return Dump(*profile);
}

TEST(DecodeProfiles, CountsTimestamps) {
  EXPECT_EQ(DumpOf(EventMessage()),
            "sample types: samples/count\nperiod: 0 /\ntime: 1000 + 500 ns\nproperties:\nmappings:\n"
            "  M1 \"/bin/server\" 0x0-0x0 offset 0x0\n"
            "frames:\n"
            "  F1 unknown M1 0x40\n    \"Serve\"\n"
            "samples:\n  resource\n    attributes\n      F1 \"Serve\": 3\n");
}

TEST(DecodeProfiles, AddsTheValuesOfASample) {
  pb::ProfilesData m = EventMessage();
  auto& sample = *FirstProfile(m).mutable_samples(0);
  for (int64_t value : {10, 20, 30}) sample.add_values(value);
  EXPECT_THAT(DumpOf(m), HasSubstr("\"Serve\": 60\n"));
  sample.clear_timestamps_unix_nano();
  EXPECT_THAT(DumpOf(m), HasSubstr("\"Serve\": 60\n"));
  sample.set_values(0, INT64_MAX);
  EXPECT_THAT(DumpOf(m), HasSubstr("\"Serve\": 9223372036854775807\n"));
}

TEST(DecodeProfiles, ResolvesReferencesInResourceAttributes) {
  pb::ProfilesData m = EventMessage();
  auto& attributes = *m.mutable_resource_profiles(0)->mutable_resource()->mutable_attributes();
  auto& by_reference = *attributes.Add();
  by_reference.set_key_strindex(AddText(m, "service.name"));
  by_reference.mutable_value()->set_string_value_strindex(AddText(m, "shop"));
  auto& literal = *attributes.Add();
  literal.set_key("process.command_args");
  literal.mutable_value()->mutable_array_value()->add_values()->set_string_value("-v\"");
  literal.mutable_value()->mutable_array_value()->add_values()->set_int_value(3);
  auto& bytes = *attributes.Add();
  bytes.set_key("raw");
  bytes.mutable_value()->set_bytes_value("\x01\xff");
  EXPECT_THAT(
      DumpOf(m),
      HasSubstr("  resource process.command_args=\"[\\\"-v\\\\\\\"\\\",3]\" raw=\"01ff\" service.name=\"shop\"\n"));
}

TEST(DecodeProfiles, ReadsAttributesFrameTypeBuildIdAndLink) {
  pb::ProfilesData m = EventMessage();
  AddAttribute(m, "process.executable.build_id.gnu").mutable_value()->set_string_value("abcd");
  AddAttribute(m, "profile.frame.type").mutable_value()->set_string_value("go");
  auto& size = AddAttribute(m, "size");
  size.mutable_value()->set_int_value(9);
  size.set_unit_strindex(AddText(m, "By"));
  m.mutable_dictionary()->mutable_mapping_table(1)->add_attribute_indices(1);
  m.mutable_dictionary()->mutable_location_table(1)->add_attribute_indices(2);
  FirstProfile(m).mutable_samples(0)->add_attribute_indices(3);
  FirstProfile(m).mutable_samples(0)->set_link_index(1);
  FirstProfile(m).add_attribute_indices(3);
  const std::string dump = DumpOf(m);
  EXPECT_THAT(dump, HasSubstr("properties: size=9[By]\n"));
  EXPECT_THAT(dump, HasSubstr("offset 0x0 build id abcd\n"));
  EXPECT_THAT(dump, HasSubstr("F1 go M1 0x40"));
  EXPECT_THAT(dump, HasSubstr("attributes size=9[By]\n"
                              "      F1 \"Serve\" link 01010101010101010101010101010101/0202020202020202: 3\n"));
}

TEST(DecodeProfiles, MergesEqualTypesAndKeepsOthersApart) {
  pb::ProfilesData m = EventMessage();
  *m.add_resource_profiles() = m.resource_profiles(0);
  auto& other = *m.mutable_resource_profiles(1)->mutable_scope_profiles(0)->add_profiles();
  other = FirstProfile(m);
  other.mutable_sample_type()->set_type_strindex(AddText(m, "events"));
  other.set_time_unix_nano(400);
  const std::string dump = DumpOf(m);
  EXPECT_THAT(dump, HasSubstr("sample types: samples/count events/count\n"));
  EXPECT_THAT(dump, HasSubstr("time: 400 + 1100 ns\n"));
  EXPECT_THAT(dump, HasSubstr("\"Serve\": 6 3\n"));
}

TEST(DecodeProfiles, AllowsAMissingDictionaryForEmptyStacks) {
  pb::ProfilesData m;
  m.add_resource_profiles()->add_scope_profiles()->add_profiles()->add_samples()->add_values(4);
  EXPECT_THAT(DumpOf(m), HasSubstr("     : 4\n"));
}

TEST(DecodeProfiles, NestedReferencesCannotMultiplyText) {
  pb::ProfilesData m = EventMessage();
  const int text = AddText(m, std::string(1 << 20, 'x'));
  auto& attribute = *m.mutable_resource_profiles(0)->mutable_resource()->add_attributes();
  attribute.set_key("bomb");
  for (int i = 0; i < 1000; ++i) {
    attribute.mutable_value()->mutable_array_value()->add_values()->set_string_value_strindex(text);
  }
  const auto profile = DecodeProfilesData(m.SerializeAsString());
  ASSERT_TRUE(profile.ok()) << profile.status();
  size_t bytes = 0;
  for (const std::string& item : profile->strings) bytes += item.size();
  EXPECT_GT(bytes, size_t{2} << 20);
  EXPECT_LT(bytes, size_t{32} << 20);
}

struct Fault {
  const char* message;
  std::function<void(pb::ProfilesData&)> make;
};

TEST(DecodeProfiles, NamesEachFault) {
  const auto dictionary = [](pb::ProfilesData& m) -> pb::ProfilesDictionary& { return *m.mutable_dictionary(); };
  const auto sample = [](pb::ProfilesData& m) -> pb::Sample& { return *FirstProfile(m).mutable_samples(0); };
  const Fault faults[] = {
      {"there is no profile", [](auto& m) { m.clear_resource_profiles(); }},
      {"string 0 is not empty", [&](auto& m) { dictionary(m).set_string_table(0, "x"); }},
      {"attribute 1: key 999 is out of range",
       [&](auto& m) { dictionary(m).add_attribute_table()->set_key_strindex(999); }},
      {"attribute 1: unit 999", [&](auto& m) { dictionary(m).add_attribute_table()->set_unit_strindex(999); }},
      {"attribute 1: string index -1",
       [&](auto& m) { dictionary(m).add_attribute_table()->mutable_value()->set_string_value_strindex(-1); }},
      {"mapping 1: file name 999",
       [&](auto& m) { dictionary(m).mutable_mapping_table(1)->set_filename_strindex(999); }},
      {"mapping 1: attribute index 9",
       [&](auto& m) { dictionary(m).mutable_mapping_table(1)->add_attribute_indices(9); }},
      {"function 1: name 999", [&](auto& m) { dictionary(m).mutable_function_table(1)->set_name_strindex(999); }},
      {"function 1: system name 999",
       [&](auto& m) { dictionary(m).mutable_function_table(1)->set_system_name_strindex(999); }},
      {"function 1: file name -7",
       [&](auto& m) { dictionary(m).mutable_function_table(1)->set_filename_strindex(-7); }},
      {"location 1: mapping index 2 is out of range (2)",
       [&](auto& m) { dictionary(m).mutable_location_table(1)->set_mapping_index(2); }},
      {"location 1: function index 2",
       [&](auto& m) { dictionary(m).mutable_location_table(1)->mutable_lines(0)->set_function_index(2); }},
      {"location 1: attribute index 9",
       [&](auto& m) { dictionary(m).mutable_location_table(1)->add_attribute_indices(9); }},
      {"stack 1: location index 2", [&](auto& m) { dictionary(m).mutable_stack_table(1)->add_location_indices(2); }},
      {"link 1: the trace id has 5 bytes",
       [&](auto& m) { dictionary(m).mutable_link_table(1)->set_trace_id("12345"); }},
      {"link 1: the span id has 9 bytes",
       [&](auto& m) { dictionary(m).mutable_link_table(1)->set_span_id("123456789"); }},
      {"resource 0: attribute key 999",
       [](auto& m) { m.mutable_resource_profiles(0)->mutable_resource()->add_attributes()->set_key_strindex(999); }},
      {"resource 0, scope 0, profile 0: sample type 999",
       [](auto& m) { FirstProfile(m).mutable_sample_type()->set_type_strindex(999); }},
      {"period unit 999", [](auto& m) { FirstProfile(m).mutable_period_type()->set_unit_strindex(999); }},
      {"profile 0: attribute index 9", [](auto& m) { FirstProfile(m).add_attribute_indices(9); }},
      {"profile 0: sample 0: stack index 9", [&](auto& m) { sample(m).set_stack_index(9); }},
      {"sample 0: stack index -1", [&](auto& m) { sample(m).set_stack_index(-1); }},
      {"sample 0: link index 9", [&](auto& m) { sample(m).set_link_index(9); }},
      {"sample 0: attribute index 9", [&](auto& m) { sample(m).add_attribute_indices(9); }},
      {"sample 0: neither values nor timestamps", [&](auto& m) { sample(m).clear_timestamps_unix_nano(); }},
      {"sample 0: 1 values but 3 timestamps", [&](auto& m) { sample(m).add_values(1); }},
      {"profile 1: its period differs",
       [](auto& m) {
         auto& scope = *m.mutable_resource_profiles(0)->mutable_scope_profiles(0);
         *scope.add_profiles() = scope.profiles(0);
         scope.mutable_profiles(1)->set_period(3);
       }},
  };
  for (const Fault& fault : faults) {
    pb::ProfilesData message = EventMessage();
    fault.make(message);
    const auto profile = DecodeProfilesData(message.SerializeAsString());
    ASSERT_EQ(profile.status().code(), absl::StatusCode::kInvalidArgument) << fault.message;
    EXPECT_THAT(std::string(Message(profile.status())), HasSubstr(fault.message));
  }
}

TEST(DecodeProfiles, LimitsTheNumberOfSampleTypes) {
  pb::ProfilesData m = EventMessage();
  auto& scope = *m.mutable_resource_profiles(0)->mutable_scope_profiles(0);
  for (size_t i = 0; i < kMaxSampleTypes; ++i) {
    *scope.add_profiles() = scope.profiles(0);
    scope.mutable_profiles(static_cast<int>(i) + 1)
        ->mutable_sample_type()
        ->set_type_strindex(AddText(m, fmt::format("type {}", i)));
  }
  EXPECT_EQ(DecodeProfilesData(m.SerializeAsString()).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(DecodeProfiles, RefusesTextThatIsNotUtf8AndPrintsNothing) {
  std::string bytes = EventMessage().SerializeAsString();
  bytes[bytes.find("Serve")] = '\xff';
  testing::internal::CaptureStderr();
  EXPECT_EQ(DecodeProfilesData(bytes).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(DecodeProfiles, MappingThatEndsBeforeItStartsSurvivesAnotherRound) {
  pb::ProfilesData m = EventMessage();
  auto& mapping = *m.mutable_dictionary()->mutable_mapping_table(1);
  mapping.set_memory_start(0x2000);
  mapping.set_memory_limit(0x1000);
  const auto profile = DecodeProfilesData(m.SerializeAsString());
  ASSERT_TRUE(profile.ok()) << profile.status();
  const auto again = DecodeProfilesData(EncodeProfilesData(*profile));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Dump(*again), Dump(*profile));
  EXPECT_THAT(Dump(*again), HasSubstr("\"/bin/server\" 0x2000-0x0"));
}

TEST(DecodeProfiles, RefusesWhatIsNoMessage) {
  EXPECT_THAT(std::string(Message(DecodeProfilesData("hello, world").status())), HasSubstr("not OTLP profiles"));
  EXPECT_THAT(std::string(Message(DecodeProfilesData("").status())), HasSubstr("there is no profile"));
}

}  // namespace
}  // namespace kiln::otlp
