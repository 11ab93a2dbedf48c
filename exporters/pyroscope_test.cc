// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/gzip.h"
#include "exporters/fake_transport.h"
#include "exporters/push.pb.h"
#include "otlp/profiles.h"
#include "pprof/labels.h"
#include "pprof/pprof.h"
#include "pprof/pprof.pb.h"
#include "profile/synthetic.h"
#include "profile/testing.h"
#include "profile/validate.h"

namespace kiln::exporters {
namespace {

using pipeline::Batch;
using pipeline::ExportResult;
using profile::Profile;
using profile::StringIndex;
using Outcome = pipeline::ExportResult::Outcome;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// One series of a push, taken apart.
struct Pushed {
  std::map<std::string, std::string> labels;
  std::string id;
  std::string bytes;  // pprof, not compressed
  Profile profile;    // the same, read back
};

Batch BatchOf(const Profile& profile) {
  Batch batch{.bytes = otlp::EncodeProfilesData(profile), .items = static_cast<int64_t>(profile.samples.size())};
  batch.created_unix_nano = 1'700'000'010'000'000'000;
  return batch;
}

class Pyroscope : public ::testing::Test {
 protected:
  ExportResult Export(const Batch& batch) {
    PyroscopeExporter exporter(settings_, std::make_unique<FakeTransport>(server_), limits_, [] { return int64_t{0}; });
    return exporter.Export(batch, absl::Seconds(3));
  }

  std::vector<Pushed> Push(const Profile& profile) {
    const ExportResult result = Export(BatchOf(profile));
    EXPECT_EQ(result.outcome, Outcome::kDelivered) << result.message;
    message_ = result.message;
    rejected_ = result.rejected_items;
    std::vector<Pushed> out;
    if (server_.requests.empty()) return out;
    push::v1::PushRequest request;
    EXPECT_TRUE(request.ParseFromString(server_.requests.back().body));
    for (const auto& series : request.series()) {
      EXPECT_EQ(series.samples_size(), 1);
      auto bytes = GzipDecompress(series.samples(0).raw_profile(), 1 << 28);
      EXPECT_TRUE(bytes.ok());
      auto decoded = pprof::DecodePprof(*bytes);
      EXPECT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(Validate(*decoded), absl::OkStatus());
      out.push_back({{}, series.samples(0).id(), *std::move(bytes), *std::move(decoded)});
      for (const auto& label : series.labels()) {
        EXPECT_TRUE(out.back().labels.emplace(label.name(), label.value()).second) << label.name();
      }
    }
    return out;
  }

  PyroscopeSettings settings_{.client = {.endpoint = "http://pyroscope:4040/"}};
  PyroscopeLimits limits_;
  FakeServer server_;
  std::string message_;
  int64_t rejected_ = 0;
};

// "samples:count cpu:nanoseconds" of a raw pprof file.
std::string RawTypes(const std::string& bytes) {
  ::perftools::profiles::Profile raw;
  EXPECT_TRUE(raw.ParseFromString(bytes));
  std::string out;
  for (const auto& type : raw.sample_type()) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", raw.string_table(static_cast<int>(type.type())),
                       raw.string_table(static_cast<int>(type.unit())));
  }
  return out + fmt::format(" period {} {}:{}", raw.period(),
                           raw.string_table(static_cast<int>(raw.period_type().type())),
                           raw.string_table(static_cast<int>(raw.period_type().unit())));
}

// Distinct "key=value" of the text labels of all samples, and "#key" of numeric ones.
std::set<std::string> RawLabels(const std::string& bytes) {
  ::perftools::profiles::Profile raw;
  EXPECT_TRUE(raw.ParseFromString(bytes));
  std::set<std::string> out;
  for (const auto& sample : raw.sample()) {
    for (const auto& label : sample.label()) {
      const std::string key = raw.string_table(static_cast<int>(label.key()));
      out.insert(label.str() == 0 ? "#" + key : key + "=" + raw.string_table(static_cast<int>(label.str())));
    }
  }
  return out;
}

// One sample per entry, each with a frame of its own name.
struct Row {
  std::vector<std::pair<std::string, std::string>> resource, attributes;
  std::vector<int64_t> values;
};
Profile RowsProfile(const std::vector<std::pair<std::string, std::string>>& types, const std::vector<Row>& rows) {
  profile::ProfileBuilder b;
  std::vector<profile::ValueType> value_types;
  for (const auto& [type, unit] : types) value_types.push_back(b.Type(type, unit));
  b.SetSampleTypes(value_types);
  b.SetPeriod(b.Type("cpu", "nanoseconds"), 1000);
  b.SetTime(1'700'000'000'000'000'000, 1'000'000'000);
  const StringIndex none(0);
  const auto set = [&](const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::vector<profile::AttributeIndex> attributes;
    for (const auto& [key, value] : pairs) attributes.push_back(b.AddAttribute(key, value));
    return b.AddAttributeSet(attributes);
  };
  int number = 0;
  for (const Row& row : rows) {
    const auto function = b.AddFunction({b.String(fmt::format("f{}", number++)), none, none, 0});
    const auto location = b.AddLocation({std::nullopt, 0, profile::FrameType::kNative, {{function, 0, 0}}});
    b.AddSample({b.AddStack({location}), set(row.resource), set(row.attributes), std::nullopt}, row.values);
  }
  return std::move(b).Finish();
}

TEST_F(Pyroscope, PushesASeriesPerProcessWithPprofThatSaysTheSame) {
  const Profile whole = profile::ExampleProfile();
  const auto series = Push(whole);
  ASSERT_EQ(series.size(), 2u);
  EXPECT_THAT(series[0].labels, ElementsAre(Pair("__name__", "process_cpu"), Pair("process_executable_name", "app"),
                                            Pair("process_pid", "42"), Pair("service_name", "unknown_service:app")));
  EXPECT_EQ(RawTypes(series[0].bytes), "samples:count cpu:nanoseconds period 10101010 cpu:nanoseconds");
  EXPECT_THAT(RawLabels(series[0].bytes), ElementsAre("thread_name=app", "thread_name=worker"));
  EXPECT_EQ(series[0].profile.time_unix_nano, whole.time_unix_nano);
  EXPECT_EQ(series[0].profile.duration_nano, whole.duration_nano);
  auto totals = TotalsByStack(series[0].profile);
  for (const auto& [stack, total] : TotalsByStack(series[1].profile)) totals[stack] += total;
  auto expected = TotalsByStack(whole);
  expected["[libc.so.6+0x30020];main"] = expected.extract("?;main").mapped();
  EXPECT_EQ(totals, expected);
  EXPECT_EQ(message_, "");
}

TEST_F(Pyroscope, SendsOneConnectCall) {
  settings_.tenant_id = "team-a";
  Push(profile::ExampleProfile());
  ASSERT_EQ(server_.requests.size(), 1u);
  const SentRequest& request = server_.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://pyroscope:4040/push.v1.PusherService/Push");
  EXPECT_EQ(request.Header("content-type"), "application/proto");
  EXPECT_EQ(request.Header("connect-protocol-version"), "1");
  EXPECT_EQ(request.Header("connect-timeout-ms"), "3000");
  EXPECT_EQ(request.Header("x-scope-orgid"), "team-a");
  EXPECT_EQ(request.timeout, absl::Seconds(3));
}

TEST_F(Pyroscope, ARetryCarriesTheSameIdsAndDifferentSeriesDifferentOnes) {
  const auto first = Push(profile::SyntheticProfile(100));
  const auto second = Push(profile::SyntheticProfile(100));
  std::set<std::string> ids;
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].id, second[i].id);
    EXPECT_THAT(first[i].id,
                ::testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    ids.insert(first[i].id);
  }
  EXPECT_EQ(ids.size(), first.size());
}

TEST_F(Pyroscope, EveryLocationHasALine) {
  for (const Pushed& series : Push(profile::SyntheticProfile(500))) {
    for (const profile::Location& location : series.profile.locations) EXPECT_FALSE(location.lines.empty());
  }
}

TEST_F(Pyroscope, LinksBecomeTheTwoLabelsThatAreNoSeries) {
  Profile whole = profile::ExampleProfile();
  whole.samples.erase(whole.samples.begin() + 1, whole.samples.end());
  whole.samples[0].key.link = whole.links.Add({{1, 2}, {3}});
  EXPECT_THAT(RawLabels(Push(whole).at(0).bytes),
              ElementsAre("span_id=0300000000000000", "thread_name=app", "trace_id=01020000000000000000000000000000"));
}

TEST_F(Pyroscope, ResourcesWithEqualLabelsAreOneSeries) {
  settings_.labels = {"process.executable.name"};
  const auto series =
      Push(RowsProfile({{"samples", "count"}}, {{{{"process.executable.name", "a"}, {"container.id", "1"}}, {}, {3}},
                                                {{{"process.executable.name", "a"}, {"container.id", "2"}}, {}, {4}},
                                                {{{"process.executable.name", "b"}}, {{"thread.name", "t"}}, {5}}}));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(TotalsByStack(series[0].profile), (std::map<std::string, int64_t>{{"f0", 3}, {"f1", 4}}));
  EXPECT_THAT(RawLabels(series[1].bytes), ElementsAre());  // not among `labels`
}

TEST_F(Pyroscope, EachKindIsASeriesOfItsOwn) {
  const auto series = Push(RowsProfile({{"samples", "count"}, {"off_cpu", "nanoseconds"}, {"alloc_space", "bytes"}},
                                       {{{}, {}, {3, 0, 0}}, {{}, {}, {0, 500, 0}}, {{}, {}, {1, 20, 64}}}));
  ASSERT_EQ(series.size(), 3u);
  EXPECT_EQ(series[0].labels.at("__name__"), "process_cpu");
  EXPECT_EQ(RawTypes(series[0].bytes), "samples:count cpu:nanoseconds period 1000 cpu:nanoseconds");
  EXPECT_EQ(TotalsByStack(series[0].profile), (std::map<std::string, int64_t>{{"f0", 3}, {"f2", 1}}));
  EXPECT_EQ(series[1].labels.at("__name__"), "off_cpu");
  EXPECT_EQ(RawTypes(series[1].bytes), "off_cpu:nanoseconds period 0 :");
  EXPECT_EQ(TotalsByStack(series[1].profile), (std::map<std::string, int64_t>{{"f1", 500}, {"f2", 20}}));
  EXPECT_EQ(series[2].labels.at("__name__"), "memory");
  EXPECT_EQ(RawTypes(series[2].bytes), "alloc_space:bytes period 0 space:bytes");
}

TEST_F(Pyroscope, ASampleAttributeDecidesAboutTheService) {
  const auto series = Push(RowsProfile({{"samples", "count"}}, {{{{"service.name", "a"}}, {{"service.name", "b"}}, {1}},
                                                                {{{"service.name", "a"}}, {}, {2}}}));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(series[0].labels.at("service_name"), "b");
  EXPECT_EQ(series[1].labels.at("service_name"), "a");
  EXPECT_THAT(RawLabels(series[0].bytes), ElementsAre());
}

TEST_F(Pyroscope, KeepsTheLimitOfLabelsTogetherWithThoseOfSamples) {
  Row row{{}, {}, {1}};
  for (int i = 0; i < 40; ++i) row.resource.emplace_back(fmt::format("r{:02}", i), "x");
  for (int i = 0; i < 3; ++i) row.attributes.emplace_back(fmt::format("s{:02}", i), "x");
  auto series = Push(RowsProfile({{"samples", "count"}}, {row}));
  EXPECT_EQ(series.at(0).labels.size(), 27u);
  EXPECT_EQ(RawLabels(series[0].bytes).size(), 3u);
  EXPECT_THAT(message_, HasSubstr("15 attributes did not become labels"));
  for (int i = 3; i < 40; ++i) row.attributes.emplace_back(fmt::format("s{:02}", i), "x");
  series = Push(RowsProfile({{"samples", "count"}}, {row}));
  EXPECT_EQ(series.at(0).labels.size(), 20u);
  EXPECT_EQ(RawLabels(series[0].bytes).size(), 10u);
  EXPECT_EQ(rejected_, 0);
}

TEST_F(Pyroscope, SplitsByBytesAndBySamplesAndLosesNothing) {
  Profile whole = profile::SyntheticProfile(800);
  for (profile::Sample& sample : whole.samples) sample.key.resource = whole.samples[0].key.resource;
  for (const PyroscopeLimits& limits :
       {PyroscopeLimits{.max_bytes = 50'000}, PyroscopeLimits{.max_samples = 100}, PyroscopeLimits{.max_bytes = 1}}) {
    limits_ = limits;
    const auto series = Push(whole);
    EXPECT_GT(series.size(), 3u);
    int64_t total = 0;
    for (const Pushed& pushed : series) {
      EXPECT_EQ(pushed.labels, series[0].labels);
      EXPECT_LE(pushed.profile.samples.size(), limits.max_samples);
      if (limits.max_bytes > 1) {
        EXPECT_LE(pushed.bytes.size(), limits.max_bytes);
      }
      for (const profile::Sample& sample : pushed.profile.samples) total += sample.values[0];
    }
    int64_t expected = 0;
    for (const profile::Sample& sample : whole.samples) expected += sample.values[0];
    EXPECT_EQ(total, expected);
    if (limits.max_bytes == 50'000) {
      size_t bytes = 0;
      for (const Pushed& pushed : series) bytes += pushed.bytes.size();
      EXPECT_GT(bytes, (series.size() - 1) * 30'000) << "the estimate is far too high";
    }
  }
}

TEST_F(Pyroscope, LeavesOutAndCountsNegativeSamples) {
  const auto series = Push(RowsProfile({{"samples", "count"}}, {{{}, {}, {-3}}, {{}, {}, {2}}}));
  ASSERT_EQ(series.size(), 1u);
  EXPECT_EQ(rejected_, 1);
  EXPECT_THAT(message_, HasSubstr("negative"));
}

TEST_F(Pyroscope, NoSamplesNoPush) {
  EXPECT_TRUE(Push(profile::SyntheticProfile(0)).empty());
  EXPECT_TRUE(Push(RowsProfile({{"samples", "count"}}, {{{}, {}, {0}}})).empty());
  EXPECT_TRUE(server_.requests.empty());
}

TEST_F(Pyroscope, TimeIsThatOfTheBatchIfTheProfileHasNone) {
  Profile whole = profile::ExampleProfile();
  whole.time_unix_nano = 0;
  EXPECT_EQ(Push(whole).at(0).profile.time_unix_nano, 1'700'000'010'000'000'000);
}

TEST_F(Pyroscope, RefusesOtherSignalsAndDamagedBatches) {
  Batch batch = BatchOf(profile::ExampleProfile());
  batch.signal = pipeline::Signal::kTraces;
  EXPECT_EQ(Export(batch).outcome, Outcome::kPermanent);
  EXPECT_EQ(Export(Batch{.bytes = "\xff"}).outcome, Outcome::kPermanent);
  EXPECT_TRUE(server_.requests.empty());
}

TEST_F(Pyroscope, HandsOnWhatTheServerSays) {
  server_.answer = [](const SentRequest&) {
    return HttpResponse{.status = 429, .body = R"({"code":"resource_exhausted","message":"rate"})"};
  };
  const ExportResult limited = Export(BatchOf(profile::ExampleProfile()));
  EXPECT_EQ(limited.outcome, Outcome::kRetryable);
  EXPECT_EQ(limited.message, "the server answered 429 (resource_exhausted): rate");
  server_.answer = [](const SentRequest&) { return absl::UnavailableError("connection refused"); };
  EXPECT_EQ(Export(BatchOf(profile::ExampleProfile())).outcome, Outcome::kRetryable);
  PyroscopeExporter exporter(settings_, std::make_unique<FakeTransport>(server_));
  exporter.Cancel();
  EXPECT_EQ(server_.cancelled, 1);
}

}  // namespace
}  // namespace kiln::exporters
