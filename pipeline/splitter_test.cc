// SPDX-License-Identifier: Apache-2.0
#include "pipeline/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "otlp/profiles.h"
#include "otlp/profiles.pb.h"
#include "pipeline/queue.h"
#include "pipeline/testing/batches.h"
#include "profile/dump.h"
#include "profile/testing.h"

namespace kiln::pipeline {
namespace {

namespace pb = ::opentelemetry::proto::profiles::v1development;

std::vector<BatchPtr> Split(const BatchPtr& batch, const SplitLimits& limits) {
  auto pieces = SplitBatch(batch, limits);
  EXPECT_TRUE(pieces.ok()) << pieces.status();
  return pieces.ok() ? *std::move(pieces) : std::vector<BatchPtr>{};
}

pb::ProfilesData Parsed(const Batch& batch) {
  pb::ProfilesData message;
  EXPECT_TRUE(message.ParseFromString(batch.bytes));
  return message;
}

void AddTo(std::map<std::string, int64_t>& totals, const Batch& batch) {
  const auto profile = otlp::DecodeProfilesData(batch.bytes);
  ASSERT_TRUE(profile.ok()) << profile.status();
  // A dump of one sample alone names all that belongs to it.
  for (const profile::Sample& sample : profile->samples) {
    profile::Profile single = *profile;
    single.samples = {sample};
    single.properties = profile::AttributeSetIndex(0);
    const int64_t value = sample.values[0];
    single.samples[0].values[0] = 1;
    totals[profile::Dump(single)] += value;
  }
}

BatchPtr FromMessage(const pb::ProfilesData& message, int64_t items, int64_t weight) {
  return std::make_shared<const Batch>(Batch{.bytes = message.SerializeAsString(), .items = items, .weight = weight});
}

void ExpectSums(const std::vector<BatchPtr>& pieces, const Batch& whole) {
  int64_t items = 0;
  int64_t weight = 0;
  for (const BatchPtr& piece : pieces) {
    EXPECT_GE(piece->weight, 0);
    EXPECT_EQ(piece->signal, whole.signal);
    EXPECT_EQ(piece->created_unix_nano, whole.created_unix_nano);
    items += piece->items;
    weight += piece->weight;
  }
  EXPECT_EQ(items, whole.items);
  EXPECT_EQ(weight, whole.weight);
}

TEST(SplitBatch, LeavesABatchWithinTheLimitsAlone) {
  const BatchPtr batch = ProfileBatch(50);
  EXPECT_THAT(Split(batch, {}), ::testing::ElementsAre(batch));
  EXPECT_THAT(Split(batch, {.max_bytes = static_cast<int64_t>(batch->bytes.size()), .max_items = batch->items}),
              ::testing::ElementsAre(batch));
}

TEST(SplitBatch, LeavesOtherSignalsWhole) {
  const BatchPtr batch = TextBatch("no protobuf at all", 100);
  EXPECT_THAT(Split(batch, {.max_bytes = 2, .max_items = 1}), ::testing::ElementsAre(batch));
}

TEST(SplitBatch, PiecesTogetherSayTheSame) {
  const BatchPtr batch = ProfileBatch(60);
  std::map<std::string, int64_t> expected;
  AddTo(expected, *batch);
  for (const SplitLimits& limits : {SplitLimits{.max_items = 1}, SplitLimits{.max_items = 7},
                                    SplitLimits{.max_bytes = 6000}, SplitLimits{.max_bytes = 9000, .max_items = 11}}) {
    const auto pieces = Split(batch, limits);
    EXPECT_GT(pieces.size(), 2U);
    std::map<std::string, int64_t> actual;
    for (const BatchPtr& piece : pieces) AddTo(actual, *piece);
    EXPECT_EQ(actual, expected);
    ExpectSums(pieces, *batch);
  }
}

TEST(SplitBatch, KeepsTheLimitsAndFillsThem) {
  const BatchPtr batch = ProfileBatch(3000);
  const int64_t bytes = static_cast<int64_t>(batch->bytes.size()) / 5;
  const auto by_bytes = Split(batch, {.max_bytes = bytes});
  for (const BatchPtr& piece : by_bytes) EXPECT_LE(BytesOf(*piece), bytes);
  for (size_t i = 0; i + 1 < by_bytes.size(); ++i) EXPECT_GT(BytesOf(*by_bytes[i]), bytes * 9 / 10);
  ExpectSums(by_bytes, *batch);
  const auto by_items = Split(batch, {.max_items = 1000});
  EXPECT_EQ(by_items.size(), static_cast<size_t>((batch->items + 999) / 1000));
  for (const BatchPtr& piece : by_items) EXPECT_LE(piece->items, 1000);
}

TEST(SplitBatch, WeightsAreTheValuesOfThePiecesOwnSamples) {
  const BatchPtr batch = ProfileBatch(500);
  for (const BatchPtr& piece : Split(batch, {.max_items = 9})) {
    int64_t values = 0;
    const pb::ProfilesData message = Parsed(*piece);
    for (const auto& resource : message.resource_profiles()) {
      for (const pb::Sample& sample : resource.scope_profiles(0).profiles(0).samples()) values += sample.values(0);
    }
    EXPECT_EQ(piece->weight, values);
  }
}

// Whoever reads a piece and writes it again gets the smallest dictionary that there is: the piece has the same.
TEST(SplitBatch, ADictionaryHoldsOnlyWhatItsPieceRefersTo) {
  for (const BatchPtr& piece : Split(ProfileBatch(300), {.max_items = 37})) {
    const pb::ProfilesData message = Parsed(*piece);
    const auto profile = otlp::DecodeProfilesData(piece->bytes);
    ASSERT_TRUE(profile.ok()) << profile.status();
    pb::ProfilesData smallest;
    ASSERT_TRUE(smallest.ParseFromString(otlp::EncodeProfilesData(*profile)));
    const auto sizes = [](const pb::ProfilesDictionary& d) {
      return std::vector{d.string_table_size(),   d.attribute_table_size(), d.mapping_table_size(), d.link_table_size(),
                         d.function_table_size(), d.location_table_size(),  d.stack_table_size()};
    };
    EXPECT_EQ(sizes(message.dictionary()), sizes(smallest.dictionary()));
    EXPECT_EQ(message.dictionary().string_table(0), "");
    EXPECT_EQ(message.dictionary().stack_table(0).ByteSizeLong(), 0U);
  }
}

TEST(SplitBatch, PartsOfOneProfileHaveIdsOfTheirOwnThatDoNotChange) {
  const BatchPtr batch = ProfileBatch(200);
  std::set<std::string> ids;
  std::string first;
  for (const BatchPtr& piece : Split(batch, {.max_items = 10})) {
    const pb::ProfilesData message = Parsed(*piece);
    for (const auto& resource : message.resource_profiles()) {
      const std::string& id = resource.scope_profiles(0).profiles(0).profile_id();
      EXPECT_EQ(id.size(), 16U);
      EXPECT_TRUE(ids.insert(id).second);
      if (first.empty()) first = id;
    }
  }
  EXPECT_EQ(first, Parsed(*batch).resource_profiles(0).scope_profiles(0).profiles(0).profile_id());
  std::set<std::string> again;
  for (const BatchPtr& piece : Split(batch, {.max_items = 10})) {
    const pb::ProfilesData message = Parsed(*piece);
    for (const auto& resource : message.resource_profiles()) {
      again.insert(resource.scope_profiles(0).profiles(0).profile_id());
    }
  }
  EXPECT_EQ(again, ids);
}

// What senders other than kiln write.
pb::ProfilesData ForeignMessage() {
  pb::ProfilesData message;
  auto& d = *message.mutable_dictionary();
  for (const char* text : {"", "unused", "key", "text", "events", "count"}) d.add_string_table(text);
  d.add_stack_table();
  d.add_attribute_table();
  auto& nested = *d.add_attribute_table();
  nested.set_key_strindex(2);
  nested.mutable_value()->mutable_array_value()->add_values()->set_string_value_strindex(3);
  auto& resource = *message.add_resource_profiles();
  resource.set_schema_url("schema");
  auto& attribute = *resource.mutable_resource()->add_attributes();
  attribute.set_key_strindex(2);
  attribute.mutable_value()->set_string_value_strindex(3);
  resource.mutable_resource()->add_entity_refs()->set_type("host");
  message.add_resource_profiles()->mutable_resource()->add_attributes()->set_key("no scopes");
  auto& scope = *resource.add_scope_profiles();
  scope.mutable_scope()->set_name("foreign");
  scope.mutable_scope()->add_attributes()->set_key_strindex(3);
  auto& profile = *scope.add_profiles();
  profile.mutable_sample_type()->set_type_strindex(4);
  profile.mutable_sample_type()->set_unit_strindex(5);
  profile.set_original_payload("payload");
  profile.set_duration_nano(9);
  profile.add_attribute_indices(1);
  for (uint64_t i = 0; i < 4; ++i) {
    auto& sample = *profile.add_samples();
    sample.add_attribute_indices(1);
    sample.add_timestamps_unix_nano(100 + i);
  }
  return message;
}

TEST(SplitBatch, KeepsWhatOtherSendersWrite) {
  const auto pieces = Split(FromMessage(ForeignMessage(), 4, 4), {.max_items = 1});
  ASSERT_EQ(pieces.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    const pb::ProfilesData message = Parsed(*pieces[i]);
    const auto& strings = message.dictionary().string_table();
    EXPECT_THAT(strings, ::testing::Not(::testing::Contains("unused")));
    const auto& resource = message.resource_profiles(0);
    EXPECT_EQ(resource.schema_url(), "schema");
    EXPECT_EQ(resource.resource().entity_refs(0).type(), "host");
    EXPECT_EQ(strings[resource.resource().attributes(0).key_strindex()], "key");
    EXPECT_EQ(strings[resource.resource().attributes(0).value().string_value_strindex()], "text");
    const auto& scope = resource.scope_profiles(0);
    EXPECT_EQ(scope.scope().name(), "foreign");
    EXPECT_EQ(strings[scope.scope().attributes(0).key_strindex()], "text");
    const auto& profile = scope.profiles(0);
    EXPECT_EQ(profile.duration_nano(), 9U);
    EXPECT_EQ(strings[profile.sample_type().type_strindex()], "events");
    EXPECT_EQ(profile.original_payload(), i == 0 ? "payload" : "");
    ASSERT_EQ(profile.samples_size(), 1);
    EXPECT_EQ(profile.samples(0).timestamps_unix_nano(0), 100 + i);
    const auto& value = message.dictionary().attribute_table(profile.samples(0).attribute_indices(0)).value();
    EXPECT_EQ(strings[value.array_value().values(0).string_value_strindex()], "text");
    // The resource without scopes goes with the last.
    EXPECT_EQ(message.resource_profiles_size(), i == 3 ? 2 : 1);
  }
  // The sample type is not one of samples that were taken, so the weight goes by the items.
  EXPECT_EQ(pieces[2]->weight, 1);
}

TEST(SplitBatch, SharesOutExactlyEvenIfTheBatchCountsOtherwise) {
  const pb::ProfilesData message = ForeignMessage();
  for (const auto& [items, weight] : {std::pair(4, 1000), std::pair(3, 7), std::pair(1000, 1), std::pair(5, 0)}) {
    const BatchPtr batch = FromMessage(message, items, weight);
    ExpectSums(Split(batch, {.max_bytes = 60}), *batch);
  }
}

TEST(SplitBatch, ASampleThatIsTooLargeAloneIsAPiece) {
  const BatchPtr batch = ProfileBatch(20);
  const auto pieces = Split(batch, {.max_bytes = 1});
  EXPECT_EQ(static_cast<int64_t>(pieces.size()), batch->items);
  ExpectSums(pieces, *batch);
}

TEST(SplitBatch, RefusesBytesThatAreNoProfiles) {
  const auto refused = [](std::string bytes) {
    return SplitBatch(std::make_shared<const Batch>(Batch{.bytes = std::move(bytes), .items = 10}), {.max_items = 1})
        .status()
        .code();
  };
  EXPECT_EQ(refused("no protobuf"), absl::StatusCode::kInvalidArgument);
  pb::ProfilesData message = ForeignMessage();
  message.mutable_resource_profiles(0)
      ->mutable_scope_profiles(0)
      ->mutable_profiles(0)
      ->mutable_samples(2)
      ->set_stack_index(99);
  EXPECT_EQ(refused(message.SerializeAsString()), absl::StatusCode::kInvalidArgument);
  message = ForeignMessage();
  message.mutable_dictionary()->mutable_attribute_table(1)->set_key_strindex(-1);
  EXPECT_EQ(refused(message.SerializeAsString()), absl::StatusCode::kInvalidArgument);
}

TEST(SplitBatch, RefusesToGrowWithoutBounds) {
  pb::ProfilesData message = ForeignMessage();
  message.mutable_resource_profiles(0)->set_schema_url(std::string(1 << 20, 'x'));
  auto& profile = *message.mutable_resource_profiles(0)->mutable_scope_profiles(0)->mutable_profiles(0);
  for (int i = 0; i < 1000; ++i) profile.add_samples()->add_values(1);
  const auto pieces = SplitBatch(FromMessage(message, 1004, 1), {.max_items = 1});
  EXPECT_EQ(pieces.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(HalveBatch, CutsInTwoUntilOneSampleIsLeft) {
  const BatchPtr batch = ProfileBatch(33);
  const auto halves = HalveBatch(batch);
  ASSERT_TRUE(halves.ok());
  ASSERT_EQ(halves->size(), 2U);
  EXPECT_EQ((*halves)[0]->items, (batch->items + 1) / 2);
  ExpectSums(*halves, *batch);
  const auto single = HalveBatch(Split(batch, {.max_items = 1})[0]);
  ASSERT_TRUE(single.ok());
  EXPECT_EQ(single->size(), 1U);
  EXPECT_EQ(HalveBatch(TextBatch("logs"))->size(), 1U);
  EXPECT_FALSE(HalveBatch(std::make_shared<const Batch>(Batch{.bytes = "bad"})).ok());
}

}  // namespace
}  // namespace kiln::pipeline
