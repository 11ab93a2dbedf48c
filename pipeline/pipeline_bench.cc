// SPDX-License-Identifier: Apache-2.0
// What one batch costs on its way in and out of the queues, by its bytes; and cutting a batch of profiles.
#include <benchmark/benchmark.h>

#include "pipeline/disk_queue.h"
#include "pipeline/memory_queue.h"
#include "pipeline/splitter.h"
#include "pipeline/testing/batches.h"

namespace kiln::pipeline {
namespace {

void PutTakeFinish(benchmark::State& state, Queue& queue) {
  const BatchPtr batch = TextBatch(std::string(static_cast<size_t>(state.range(0)), 'x'));
  for (auto _ : state) {
    if (queue.Put(batch) != Queue::PutResult::kTaken) state.SkipWithError("full");
    const auto item = queue.Take();
    if (!item) return state.SkipWithError("empty");
    queue.Finish(*item);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_MemoryQueue(benchmark::State& state) {
  MetricRegistry metrics;
  Accounts accounts(metrics, "otlp", Signal::kLogs);
  MemoryQueue queue({}, accounts);
  PutTakeFinish(state, queue);
}
BENCHMARK(BM_MemoryQueue)->Arg(10'000)->Arg(1'000'000);

void DiskQueueBench(benchmark::State& state, const std::string& directory, bool fsync) {
  MetricRegistry metrics;
  Accounts accounts(metrics, "otlp", Signal::kLogs);
  SystemClock clock;
  auto queue = DiskQueue::Open(
      {.storage = {.directory = directory, .fsync = fsync}, .exporter_id = "otlp", .signal = Signal::kLogs}, accounts,
      clock);
  if (!queue.ok()) return state.SkipWithError("cannot open");
  PutTakeFinish(state, **queue);
}

void BM_DiskQueueInMemory(benchmark::State& state) {
  const ScratchDirectory scratch;
  DiskQueueBench(state, scratch.path(), false);
}
BENCHMARK(BM_DiskQueueInMemory)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void BM_DiskQueueOnDisk(benchmark::State& state) {
  const std::string directory = (std::filesystem::temp_directory_path() / "kiln-pipeline-bench").string();
  DiskQueueBench(state, directory, state.range(1) != 0);
  std::filesystem::remove_all(directory);
}
BENCHMARK(BM_DiskQueueOnDisk)->ArgNames({"bytes", "fsync"})->Args({100'000, 0})->Args({100'000, 1})->UseRealTime();

void BM_SplitBatch(benchmark::State& state) {
  const BatchPtr batch = ProfileBatch(10'000);
  for (auto _ : state) {
    auto pieces = SplitBatch(batch, {.max_items = state.range(0)});
    benchmark::DoNotOptimize(pieces);
  }
  state.SetItemsProcessed(state.iterations() * batch->items);
  state.SetBytesProcessed(state.iterations() * BytesOf(*batch));
}
BENCHMARK(BM_SplitBatch)->Arg(1000)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kiln::pipeline
