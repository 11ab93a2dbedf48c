// SPDX-License-Identifier: Apache-2.0
#include "otlp/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "otlp/profiles.h"
#include "otlp/profiles.pb.h"
#include "profile/synthetic.h"
#include "profile/testing.h"

namespace kiln::otlp {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr size_t kAny = size_t{1} << 30;

// Pieces of wire format.
std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string Number(uint32_t field, uint64_t value) { return Varint(field << 3) + Varint(value); }
std::string Bytes(uint32_t field, std::string_view value) {
  return Varint(field << 3 | 2) + Varint(value.size()) + std::string(value);
}
std::string Fixed64(uint32_t field, uint64_t value) {
  std::string out = Varint(field << 3 | 1);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string Fixed32(uint32_t field, uint32_t value) {
  std::string out = Varint(field << 3 | 5);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string Json(const schema::Message& message, std::string_view wire) {
  std::string out;
  const Status status = AppendJson(message, wire, kAny, out);
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

const schema::Message& Named(std::string_view name) {
  for (const schema::Message* message : schema::AllMessages()) {
    if (message->name == name) return *message;
  }
  ADD_FAILURE() << name;
  return schema::kExportProfilesServiceRequest;
}

TEST(Json, WritesAProfileByTheRulesOfOtlp) {
  EncodeOptions options;
  options.new_profile_id = [] { return ProfileId{0xab, 1}; };
  const json document =
      json::parse(Json(schema::kExportProfilesServiceRequest, EncodeProfilesData(profile::ExampleProfile(), options)));
  const json& resource = document["resourceProfiles"][0];
  EXPECT_EQ(resource["resource"]["attributes"][1],
            json::parse(R"({"key": "process.pid", "value": {"intValue": "42"}})"));
  EXPECT_EQ(resource["schemaUrl"], "https://opentelemetry.io/schemas/1.44.0");
  const json& profile = resource["scopeProfiles"][0]["profiles"][0];
  EXPECT_EQ(profile["profileId"], "ab010000000000000000000000000000");
  EXPECT_EQ(profile["timeUnixNano"], "1700000000000000000");
  EXPECT_EQ(profile["durationNano"], "10000000000");
  EXPECT_EQ(profile["period"], "10101010");
  EXPECT_EQ(profile["samples"][0]["values"], json::parse(R"(["70"])"));
  EXPECT_TRUE(profile["samples"][0]["attributeIndices"][0].is_number_integer());
  const json& dictionary = document["dictionary"];
  EXPECT_EQ(dictionary["stringTable"][0], "");
  EXPECT_EQ(dictionary["mappingTable"][0], json::object());
  EXPECT_EQ(dictionary["mappingTable"][1]["memoryStart"], "4096");
  const json& sample_type = profile["sampleType"];
  EXPECT_EQ(dictionary["stringTable"][sample_type["typeStrindex"].get<size_t>()], "samples");
}

// What the message says, in JSON, by libprotobuf's own accessors.
json Expected(const pb::ProfilesData& message) {
  const auto text = [](auto number) { return std::to_string(number); };
  const auto hex = [](const std::string& bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
    return out;
  };
  json samples = json::array();
  for (const auto& resource : message.resource_profiles()) {
    for (const auto& profile : resource.scope_profiles(0).profiles()) {
      for (const auto& sample : profile.samples()) {
        json entry;
        if (sample.stack_index() != 0) entry["stackIndex"] = sample.stack_index();
        for (const auto index : sample.attribute_indices()) entry["attributeIndices"].push_back(index);
        if (sample.link_index() != 0) entry["linkIndex"] = sample.link_index();
        for (const auto value : sample.values()) entry["values"].push_back(text(value));
        samples.push_back(entry);
      }
    }
  }
  json locations = json::array(), links = json::array(), strings = json::array(), stacks = json::array();
  for (const auto& location : message.dictionary().location_table()) {
    json entry = json::object();
    if (location.mapping_index() != 0) entry["mappingIndex"] = location.mapping_index();
    if (location.address() != 0) entry["address"] = text(location.address());
    for (const auto& line : location.lines()) {
      json to = json::object();
      if (line.function_index() != 0) to["functionIndex"] = line.function_index();
      if (line.line() != 0) to["line"] = text(line.line());
      if (line.column() != 0) to["column"] = text(line.column());
      entry["lines"].push_back(to);
    }
    for (const auto index : location.attribute_indices()) entry["attributeIndices"].push_back(index);
    locations.push_back(entry);
  }
  for (const auto& link : message.dictionary().link_table()) {
    json entry = json::object();
    if (!link.trace_id().empty()) entry["traceId"] = hex(link.trace_id());
    if (!link.span_id().empty()) entry["spanId"] = hex(link.span_id());
    links.push_back(entry);
  }
  for (const auto& string : message.dictionary().string_table()) strings.push_back(string);
  for (const auto& stack : message.dictionary().stack_table()) {
    json entry = json::object();
    for (const auto index : stack.location_indices()) entry["locationIndices"].push_back(index);
    stacks.push_back(entry);
  }
  return {{"samples", samples}, {"locations", locations}, {"links", links}, {"strings", strings}, {"stacks", stacks}};
}

TEST(Json, SaysWhatTheMessageSays) {
  const std::string bytes = EncodeProfilesData(profile::SyntheticProfile(500));
  pb::ProfilesData message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  const json document = json::parse(Json(schema::kExportProfilesServiceRequest, bytes));
  json samples = json::array();
  for (const json& resource : document["resourceProfiles"]) {
    for (const json& profile : resource["scopeProfiles"][0]["profiles"]) {
      for (const json& sample : profile["samples"]) samples.push_back(sample);
    }
  }
  const json& dictionary = document["dictionary"];
  const json found = {{"samples", samples},
                      {"locations", dictionary["locationTable"]},
                      {"links", dictionary["linkTable"]},
                      {"strings", dictionary["stringTable"]},
                      {"stacks", dictionary["stackTable"]}};
  EXPECT_EQ(found, Expected(message));
}

TEST(Json, WritesEveryKindOfNumber) {
  const uint64_t minus_one = ~uint64_t{0};
  EXPECT_EQ(Json(Named("NumberDataPoint"), Fixed64(2, 5) + Fixed64(6, minus_one) + Number(8, 1)),
            R"({"startTimeUnixNano":"5","asInt":"-1","flags":1})");
  EXPECT_EQ(Json(Named("NumberDataPoint"), Fixed64(4, 0)), R"({"asDouble":0})");  // of a oneof: says something
  EXPECT_EQ(Json(Named("HistogramDataPoint"), Fixed64(5, 0x3ff8000000000000) + Fixed64(11, 0)),
            R"({"sum":1.5,"min":0})");
  EXPECT_EQ(Json(Named("ExponentialHistogramDataPoint"),
                 Number(6, 3) + Fixed64(12, 0x7ff8000000000000) + Fixed64(13, 0xfff0000000000000) + Fixed64(14, 0)),
            R"({"scale":-2,"min":"NaN","max":"-Infinity"})");
  EXPECT_EQ(Json(Named("Line"), Number(1, minus_one) + Number(2, minus_one)), R"({"functionIndex":-1,"line":"-1"})");
  EXPECT_EQ(Json(Named("Mapping"), Number(1, minus_one)), R"({"memoryStart":"18446744073709551615"})");
  EXPECT_EQ(Json(Named("Span"), Number(6, 2) + Fixed32(16, 0x101)), R"({"kind":2,"flags":257})");
  EXPECT_EQ(Json(Named("Sum"), Number(3, 1)), R"({"isMonotonic":true})");
}

TEST(Json, WritesIdsInHexAndOtherBytesInBase64) {
  EXPECT_EQ(Json(Named("Span"), Bytes(1, "\x01\xff") + Bytes(2, "\x10") + Bytes(4, "\x11")),
            R"({"traceId":"01ff","spanId":"10","parentSpanId":"11"})");
  EXPECT_EQ(Json(Named("AnyValue"), Bytes(7, "\x01\xff?")), R"({"bytesValue":"Af8/"})");
  EXPECT_EQ(Json(Named("Profile"), Bytes(10, "a")), R"({"originalPayload":"YQ=="})");
}

TEST(Json, WritesValuesOfAnyDepth) {
  const std::string list = Bytes(6, Bytes(1, Bytes(1, "k") + Bytes(2, Number(2, 0))));
  EXPECT_EQ(Json(Named("AnyValue"), Bytes(5, Bytes(1, list) + Bytes(1, "") + Bytes(1, Bytes(1, "")))),
            R"({"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":false}}]}},{},)"
            R"({"stringValue":""}]}})");
}

TEST(Json, TakesPackedAndSingleNumbers) {
  EXPECT_EQ(Json(Named("Sample"), Bytes(4, Varint(1) + Varint(300)) + Number(4, 7) + Bytes(4, "")),
            R"({"values":["1","300","7"]})");
}

TEST(Json, LeavesOutZerosUnknownFieldsAndFieldsOfAnotherType) {
  EXPECT_EQ(Json(Named("Sample"), Number(1, 0) + Number(99, 1) + Bytes(1, "abc") + Fixed64(3, 1)), "{}");
}

TEST(Json, TheLastOfSeveralValuesCountsAndMessagesAreMerged) {
  EXPECT_EQ(Json(Named("Line"), Number(2, 1) + Number(1, 5) + Number(2, 3)), R"({"functionIndex":5,"line":"3"})");
  EXPECT_EQ(Json(Named("Profile"), Bytes(1, Number(1, 1)) + Number(6, 2) + Bytes(1, Number(2, 4))),
            R"({"sampleType":{"typeStrindex":1,"unitStrindex":4},"period":"2"})");
  EXPECT_EQ(Json(Named("AnyValue"), Number(3, 1) + Bytes(1, "text")), R"({"stringValue":"text"})");
  EXPECT_EQ(Json(Named("AnyValue"), Bytes(1, "text") + Number(3, 1) + Number(3, 2)), R"({"intValue":"2"})");
}

TEST(Json, IsOneLineOfUtf8) {
  const std::string text = Json(Named("AnyValue"), Bytes(1, "a\n\"\xff\x01"));
  EXPECT_EQ(text, "{\"stringValue\":\"a\\u000a\\\"\xef\xbf\xbd\\u0001\"}");
  EXPECT_TRUE(json::accept(text));
}

TEST(Json, RefusesDamagedBytesAndLeavesTheOutputAsItWas) {
  const std::string whole = EncodeProfilesData(profile::ExampleProfile());
  std::string out = "before";
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const Status status = AppendJson(schema::kExportProfilesServiceRequest, whole.substr(0, size), kAny, out);
    if (status.ok()) {
      out = "before";
      continue;
    }
    ++refused;
    ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    ASSERT_EQ(out, "before");
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()) - 10);
  EXPECT_FALSE(AppendJson(Named("Line"), "\x0b", kAny, out).ok());        // a group
  EXPECT_FALSE(AppendJson(Named("Line"), Number(0, 1), kAny, out).ok());  // field 0
  EXPECT_FALSE(AppendJson(Named("Line"), "\x08\xff", kAny, out).ok());    // a number without an end
  EXPECT_FALSE(AppendJson(Named("Sample"), Bytes(4, "\xff"), kAny, out).ok());
}

TEST(Json, BoundsDepthAndSize) {
  std::string deep;
  for (int i = 0; i < 60; ++i) deep = Bytes(5, Bytes(1, deep));
  std::string out;
  const Status too_deep = AppendJson(Named("AnyValue"), deep, kAny, out);
  EXPECT_EQ(too_deep.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(too_deep)), HasSubstr("nested"));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += Bytes(1, "");
  const Status too_large = AppendJson(schema::kExportProfilesServiceRequest, many, 1000, out);
  EXPECT_EQ(too_large.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace kiln::otlp
