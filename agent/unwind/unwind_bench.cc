// SPDX-License-Identifier: Apache-2.0
// Cost of loading a compiled table from the cache into table memory, and of the parts of that.
#include <benchmark/benchmark.h>

#include <random>
#include <utility>
#include <vector>

#include "agent/unwind/table_cache.h"
#include "agent/unwind/table_memory.h"
#include "agent/unwind/testing/page.h"
#include "agent/unwind/testing/temp_folder.h"

namespace kiln::agent {
namespace {

// A library with 2 MiB of code, as libc.
constexpr uint32_t kPages = 32;

TableKey AnyKey() {
  return MakeTableKey("00112233445566778899aabbccddeeff00112233", {.size = 1, .ends_hash = 2}, kHostMachine);
}

void StoreTable(TableCache& cache, uint32_t rows) {
  const std::vector<uint32_t> words = testing::MakeLargePage(rows);
  std::vector<TableCache::Page> pages;
  for (uint32_t i = 0; i < kPages; ++i) pages.push_back({.index = i, .words = words});
  cache.Store(AnyKey(), {.page_count = kPages}, pages);
}

// Find, and every page into table memory, as for a program that starts. Argument: rows in a page.
void BM_LoadTable(benchmark::State& state) {
  testing::TempFolder folder;
  TableCache cache(folder.path());
  StoreTable(cache, static_cast<uint32_t>(state.range(0)));
  HeapChunks chunks;
  TableMemory memory(chunks, 64 << 20);
  std::vector<std::pair<kiln_ref, size_t>> loaded;
  int64_t bytes = 0;
  for (auto _ : state) {
    const std::optional<TableFile> table = cache.Find(AnyKey());
    for (uint32_t i = 0; i < kPages; ++i) {
      const uint32_t words = table->page_words(i);
      const kiln_ref ref = *memory.Allocate(words * size_t{4});
      if (!table->ReadPage(i, {memory.At<uint32_t>(ref, words), words}).ok()) state.SkipWithError("damaged");
      loaded.emplace_back(ref, words * size_t{4});
      bytes += words * int64_t{4};
    }
    for (const auto& [ref, size] : loaded) memory.Free(ref, size);
    loaded.clear();
  }
  state.SetBytesProcessed(bytes);
  state.counters["pages"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kPages, benchmark::Counter::kIsRate);
  // Inverted: seconds for 1 MB.
  state.counters["time_per_MB"] =
      benchmark::Counter(static_cast<double>(bytes) / 1e6, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_LoadTable)->Arg(200)->Arg(2000)->Arg(8000)->Unit(benchmark::kMicrosecond);

void BM_FindMiss(benchmark::State& state) {
  testing::TempFolder folder;
  TableCache cache(folder.path());
  for (auto _ : state) benchmark::DoNotOptimize(cache.Find(AnyKey()));
}
BENCHMARK(BM_FindMiss)->Unit(benchmark::kMicrosecond);

// A whole table written over the same one. Argument: rows in a page.
void BM_StoreTable(benchmark::State& state) {
  testing::TempFolder folder;
  TableCache cache(folder.path());
  for (auto _ : state) StoreTable(cache, static_cast<uint32_t>(state.range(0)));
}
BENCHMARK(BM_StoreTable)->Arg(2000)->Unit(benchmark::kMicrosecond);

void BM_TakeFingerprint(benchmark::State& state) {
  const File file = *File::Open("/proc/self/exe");
  for (auto _ : state) benchmark::DoNotOptimize(TakeFingerprint(file));
}
BENCHMARK(BM_TakeFingerprint)->Unit(benchmark::kMicrosecond);

void BM_ValidatePage(benchmark::State& state) {
  const std::vector<uint32_t> words = testing::MakeLargePage(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(ValidatePage(words));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ValidatePage)->Arg(200)->Arg(2000)->Arg(8000)->Unit(benchmark::kMicrosecond);

// One object freed and one of another size allocated, in memory that is nearly full. Argument: MiB.
void BM_Allocate(benchmark::State& state) {
  HeapChunks chunks;
  TableMemory memory(chunks, static_cast<uint64_t>(state.range(0)) << 20);
  std::mt19937 random(1);
  const auto size = [&] { return 600 + random() % 16000; };
  std::vector<std::pair<kiln_ref, size_t>> objects;
  for (size_t bytes = size(); const auto ref = memory.Allocate(bytes); bytes = size())
    objects.emplace_back(*ref, bytes);
  uint64_t refused = 0;
  for (auto _ : state) {
    auto& [ref, bytes] = objects[random() % objects.size()];
    if (bytes != 0) memory.Free(ref, bytes);
    bytes = size();
    const auto fresh = memory.Allocate(bytes);
    refused += fresh ? 0 : 1;
    if (!fresh) bytes = 0;
    ref = fresh.value_or(0);
  }
  state.counters["refused"] = static_cast<double>(refused) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Allocate)->Arg(1)->Arg(64)->Arg(1024)->Unit(benchmark::kNanosecond);

}  // namespace
}  // namespace kiln::agent
