// SPDX-License-Identifier: Apache-2.0
#include "exporters/debug.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/debug_text.h"
#include "otlp/profiles.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/utf8.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using Verbosity = DebugSettings::Verbosity;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Batch BatchOf(const profile::Profile& profile) {
  otlp::EncodeOptions options;
  options.new_profile_id = [] { return otlp::ProfileId{0xab}; };
  return {.bytes = otlp::EncodeProfilesData(profile, options), .items = static_cast<int64_t>(profile.samples.size())};
}

TEST(DebugText, BasicIsOneLineOfNumbers) {
  EXPECT_EQ(DebugText(BatchOf(profile::ExampleProfile()), Verbosity::kBasic),
            R"(Profiles {"resource profiles": 2, "sample records": 5})");
  EXPECT_EQ(DebugText({.signal = pipeline::Signal::kTraces, .bytes = std::string("\x0a\x00", 2), .items = 7},
                      Verbosity::kBasic),
            R"(Traces {"resource spans": 1, "spans": 7})");
  EXPECT_EQ(DebugText({.signal = pipeline::Signal::kLogs, .bytes = "\xff"}, Verbosity::kBasic),
            R"(Logs {"resource logs": 0, "log records": 0})");
}

TEST(DebugText, NormalHasALinePerProfile) {
  std::string text = DebugText(BatchOf(profile::ExampleProfile()), Verbosity::kNormal);
  const size_t version = text.find("kiln@");
  ASSERT_NE(version, std::string::npos);
  EXPECT_EQ(std::ranges::count(text, '\n'), 6);
  EXPECT_THAT(text, HasSubstr("\nResourceProfiles #1 [https://opentelemetry.io/schemas/1.44.0]\n"));
  EXPECT_THAT(text, HasSubstr("\n  Profile ab000000000000000000000000000000 samples/count, 4 samples, period 10101010 "
                              "cpu/nanoseconds\n"));
  EXPECT_THAT(text, Not(HasSubstr("Sample #")));
}

TEST(DebugText, DetailedShowsSamplesWithTheirStacks) {
  const std::string text = DebugText(BatchOf(profile::ExampleProfile()), Verbosity::kDetailed);
  EXPECT_THAT(text, HasSubstr("\n  -> process.executable.name: app\n  -> process.pid: 42\n"));
  EXPECT_THAT(text, HasSubstr("\n    from 2023-11-14T22:13:20+00:00 for 10s\n"));
  EXPECT_THAT(text, HasSubstr("\n    attributes: kiln.samples.lost=0 kiln.version=0.1.0\n"));
  EXPECT_THAT(text, HasSubstr("\n    Sample #0: 70 thread.id=42 thread.name=app\n"
                              "      0x2345 add(int) work.h:1\n"
                              "      0x2345 work<int>(int) work.h:5\n"
                              "      0x1234 main app.cc:12\n"));
  EXPECT_THAT(text, HasSubstr("\n      0x30020 /lib/libc.so.6\n"));
}

TEST(DebugText, IsCutAtItsLimits) {
  const Batch batch = BatchOf(profile::SyntheticProfile(2000));
  const std::string some = DebugText(batch, Verbosity::kDetailed, {.samples = 2, .frames = 3});
  EXPECT_THAT(some, HasSubstr(" more samples)"));
  EXPECT_THAT(some, HasSubstr(" more frames)"));
  EXPECT_THAT(some, Not(HasSubstr("Sample #2")));
  for (const size_t bytes : {1000u, 1001u, 1002u, 5000u}) {
    const std::string cut = DebugText(batch, Verbosity::kDetailed, {.bytes = bytes});
    EXPECT_LT(cut.size(), bytes + 200);
    EXPECT_THAT(cut, HasSubstr("\n(cut)"));
    EXPECT_TRUE(profile::IsValidUtf8(cut));
  }
}

TEST(DebugText, OtherSignalsAreJson) {
  EXPECT_EQ(DebugText({.signal = pipeline::Signal::kMetrics, .bytes = std::string("\x0a\x00", 2)}, Verbosity::kNormal),
            "Metrics {\"resource metrics\": 1, \"data points\": 0}\n{\"resourceMetrics\":[{}]}");
  EXPECT_THAT(DebugText({.signal = pipeline::Signal::kMetrics, .bytes = "\x0a\xff"}, Verbosity::kDetailed),
              HasSubstr("damaged"));
}

TEST(DebugText, DamagedBytesAreToldOf) {
  EXPECT_THAT(DebugText({.bytes = "\xff"}, Verbosity::kDetailed), HasSubstr("no protobuf message"));
}

TEST(DebugExporter, ShowsTheFirstOfEachSecondAndThenEachNth) {
  uint64_t now = 5;
  std::vector<std::string> shown;
  DebugExporter exporter(
      {.sampling_initial = 2, .sampling_thereafter = 3}, [&](std::string_view text) { shown.emplace_back(text); },
      [&] { return now; });
  std::vector<int> numbers;
  for (int i = 1; i <= 9; ++i) {
    EXPECT_EQ(exporter.Export(Batch{.items = i}, absl::Seconds(1)).outcome,
              pipeline::ExportResult::Outcome::kDelivered);
    if (shown.size() > numbers.size()) numbers.push_back(i);
  }
  EXPECT_THAT(numbers, ElementsAre(1, 2, 5, 8));
  EXPECT_THAT(shown[2], HasSubstr("\"sample records\": 5}\n(2 batches before this one were not shown)"));
  now += 1'000'000'000;
  exporter.Export(Batch{.items = 10}, absl::Seconds(1));
  ASSERT_EQ(shown.size(), 5u);
  EXPECT_THAT(shown[4], HasSubstr("(1 batches before"));
}

TEST(DebugExporter, ThereafterZeroShowsNoMoreInTheSecond) {
  int shown = 0;
  DebugExporter exporter(
      {.sampling_initial = 1, .sampling_thereafter = 0}, [&](std::string_view) { ++shown; },
      [] { return uint64_t{0}; });
  for (int i = 0; i < 5; ++i) exporter.Export({}, absl::Seconds(1));
  EXPECT_EQ(shown, 1);
}

}  // namespace
}  // namespace kiln::exporters
