// SPDX-License-Identifier: Apache-2.0
// Time and size of OTLP profiles on a synthetic profile of 20 000 distinct samples of about 30 frames.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "otlp/json.h"
#include "otlp/profiles.h"
#include "otlp/profiles_requests.h"
#include "profile/synthetic.h"

namespace kiln::otlp {
namespace {

constexpr size_t kSamples = 20'000;

void Encode(benchmark::State& state) {
  const profile::Profile profile = profile::SyntheticProfile(kSamples);
  size_t bytes = 0;
  for (auto _ : state) bytes = EncodeProfilesData(profile).size();
  state.counters["bytes/sample"] = static_cast<double>(bytes) / kSamples;
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(Encode)->Name("EncodeProfilesData")->Unit(benchmark::kMillisecond);

void EncodeRequests(benchmark::State& state) {
  const profile::Profile profile = profile::SyntheticProfile(kSamples);
  RequestOptions options;
  options.max_bytes = size_t{1} << static_cast<int>(state.range(0));
  size_t requests = 0;
  for (auto _ : state) requests = EncodeProfilesRequests(profile, options).size();
  state.counters["requests"] = static_cast<double>(requests);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(EncodeRequests)->Name("EncodeProfilesRequests")->Arg(30)->Arg(20)->Arg(17)->Unit(benchmark::kMillisecond);

void Json(benchmark::State& state) {
  const std::string bytes = EncodeProfilesData(profile::SyntheticProfile(kSamples));
  std::string text;
  for (auto _ : state) {
    text.clear();
    if (!AppendJson(schema::kExportProfilesServiceRequest, bytes, size_t{1} << 30, text).ok()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(Json)->Name("AppendJson")->Unit(benchmark::kMillisecond);

void Decode(benchmark::State& state) {
  const std::string bytes = EncodeProfilesData(profile::SyntheticProfile(kSamples));
  for (auto _ : state) benchmark::DoNotOptimize(DecodeProfilesData(bytes));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(Decode)->Name("DecodeProfilesData")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kiln::otlp
