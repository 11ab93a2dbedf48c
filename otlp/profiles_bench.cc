// SPDX-License-Identifier: Apache-2.0
// Time and size of OTLP profiles on a synthetic profile of 20 000 distinct samples of about 30 frames.
#include <benchmark/benchmark.h>

#include "otlp/profiles.h"
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

void Decode(benchmark::State& state) {
  const std::string bytes = EncodeProfilesData(profile::SyntheticProfile(kSamples));
  for (auto _ : state) benchmark::DoNotOptimize(DecodeProfilesData(bytes));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(Decode)->Name("DecodeProfilesData")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kiln::otlp
