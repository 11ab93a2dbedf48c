// SPDX-License-Identifier: Apache-2.0
// Time and size of the file formats on a synthetic profile of 20 000 distinct samples of about 30 frames.
#include <benchmark/benchmark.h>

#include "pprof/folded.h"
#include "pprof/pprof.h"
#include "pprof/speedscope.h"
#include "profile/synthetic.h"

namespace kiln::pprof {
namespace {

constexpr size_t kSamples = 20'000;

template <std::string (*kEncode)(const profile::Profile&)>
void Encode(benchmark::State& state) {
  const profile::Profile profile = profile::SyntheticProfile(kSamples);
  size_t bytes = 0;
  for (auto _ : state) bytes = kEncode(profile).size();
  state.counters["bytes/sample"] = static_cast<double>(bytes) / kSamples;
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(Encode<EncodePprof>)->Name("EncodePprof")->Unit(benchmark::kMillisecond);
BENCHMARK(Encode<EncodeFolded>)->Name("EncodeFolded")->Unit(benchmark::kMillisecond);
BENCHMARK(Encode<EncodeSpeedscope>)->Name("EncodeSpeedscope")->Unit(benchmark::kMillisecond);

void Decode(benchmark::State& state) {
  const std::string bytes = EncodePprof(profile::SyntheticProfile(kSamples));
  for (auto _ : state) benchmark::DoNotOptimize(DecodePprof(bytes));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSamples));
}
BENCHMARK(Decode)->Name("DecodePprof")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kiln::pprof
