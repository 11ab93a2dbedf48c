// SPDX-License-Identifier: Apache-2.0
#include "exporters/otlp_answer.h"

#include <gtest/gtest.h>

#include "otlp/profiles_service.pb.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using pipeline::Signal;

constexpr Signal kAllSignals[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

// partial_success {rejected: 3, error_message: "bad"}, by hand.
const std::string kPartial(
    "\x0a\x07\x08\x03\x12\x03"
    "bad",
    9);

TEST(ParsePartialSuccess, ReadsAllSignals) {
  for (const Signal signal : kAllSignals) {
    const auto partial = ParsePartialSuccess(signal, kPartial);
    ASSERT_TRUE(partial.has_value()) << SignalName(signal);
    EXPECT_EQ(partial->rejected, 3);
    EXPECT_EQ(partial->message, "bad");
    EXPECT_EQ(ParsePartialSuccess(signal, "")->rejected, 0);
    EXPECT_EQ(ParsePartialSuccess(signal, "\x0a\x7f"), std::nullopt);
  }
}

TEST(ParsePartialSuccessJson, ReadsAllSignals) {
  const std::pair<Signal, const char*> keys[] = {{Signal::kTraces, "rejectedSpans"},
                                                 {Signal::kMetrics, "rejectedDataPoints"},
                                                 {Signal::kLogs, "rejectedLogRecords"},
                                                 {Signal::kProfiles, "rejectedProfiles"}};
  for (const auto& [signal, key] : keys) {
    for (const char* number : {"3", "\"3\""}) {
      const auto partial = ParsePartialSuccessJson(
          signal, std::string(R"({"partialSuccess":{")") + key + "\":" + number + R"(,"errorMessage":"bad"}})");
      ASSERT_TRUE(partial.has_value());
      EXPECT_EQ(partial->rejected, 3);
      EXPECT_EQ(partial->message, "bad");
    }
  }
  EXPECT_EQ(ParsePartialSuccessJson(Signal::kTraces, "{}")->rejected, 0);
  EXPECT_EQ(ParsePartialSuccessJson(Signal::kTraces, R"({"partialSuccess":null})")->rejected, 0);
  for (const char* bad : {"", "[]", "{", R"({"partialSuccess":7})", R"({"partialSuccess":{"rejectedSpans":"x"}})"})
    EXPECT_EQ(ParsePartialSuccessJson(Signal::kTraces, bad), std::nullopt) << bad;
}

TEST(ResultOfPartialSuccess, CountsWhatWasRejected) {
  const Batch batch{.signal = Signal::kTraces, .items = 10};
  const auto result = ResultOfPartialSuccess(batch, {.rejected = 3, .message = "bad\n"});
  EXPECT_EQ(result.outcome, pipeline::ExportResult::Outcome::kDelivered);
  EXPECT_EQ(result.rejected_items, 3);
  EXPECT_EQ(result.message, "the server rejected 3 spans: bad");
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = 99}).rejected_items, 10);
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = -5}).rejected_items, 0);
}

TEST(ResultOfPartialSuccess, TakesAMessageAloneForAWarning) {
  const auto result = ResultOfPartialSuccess({.signal = Signal::kLogs, .items = 10}, {.message = "deprecated"});
  EXPECT_EQ(result.rejected_items, 0);
  EXPECT_EQ(result.message, "deprecated");
  EXPECT_EQ(ResultOfPartialSuccess({}, {}).message, "");
}

TEST(ResultOfPartialSuccess, TurnsProfilesIntoShareOfSamples) {
  opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceRequest request;
  for (int i = 0; i < 2; i++) {
    auto* scope = request.add_resource_profiles()->add_scope_profiles();
    scope->add_profiles();
    scope->add_profiles();
  }
  const Batch batch{.signal = Signal::kProfiles, .bytes = request.SerializeAsString(), .items = 101};
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = 1}).rejected_items, 26);
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = 4}).rejected_items, 101);
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = INT64_MAX}).rejected_items, 101);
  EXPECT_EQ(ResultOfPartialSuccess(batch, {.rejected = 0}).rejected_items, 0);
  EXPECT_EQ(
      ResultOfPartialSuccess({.signal = Signal::kProfiles, .bytes = "?", .items = 5}, {.rejected = 1}).rejected_items,
      5);
}

}  // namespace
}  // namespace kiln::exporters
