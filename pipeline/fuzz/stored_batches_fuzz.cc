// SPDX-License-Identifier: Apache-2.0
// A queue's file with damage in it: the input is a list of patches {offset u16, value u8} to a sound file. Whatever
// they do, the queue opens (or says why not), gives out what is left, takes new batches, and its books add up.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "pipeline/disk_queue.h"
#include "pipeline/testing/batches.h"

namespace {

using kiln::pipeline::DiskQueue;
using kiln::pipeline::TextBatch;

const kiln::pipeline::QueueSettings kQueue;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Opens and drains; false if it can't be opened.
bool Use(const std::string& directory, bool finish) {
  kiln::MetricRegistry metrics;
  kiln::pipeline::Accounts accounts(metrics, "otlp", kiln::pipeline::Signal::kLogs);
  kiln::pipeline::SystemClock clock;
  auto queue = DiskQueue::Open({.queue = kQueue,
                                .storage = {.directory = directory, .timeout = absl::ZeroDuration()},
                                .exporter_id = "otlp",
                                .signal = kiln::pipeline::Signal::kLogs},
                               accounts, clock);
  if (!queue.ok()) return false;
  for (int i = 0; i < 6; ++i) {
    const std::string text(static_cast<size_t>(i * 1500), static_cast<char>('a' + i));
    if ((*queue)->Put(TextBatch("x" + text)) != DiskQueue::PutResult::kTaken) std::abort();
    accounts.Accept({1, 1, 1});
  }
  for (int i = 0; finish && i < 100; ++i) {
    const auto item = (*queue)->Take();
    if (!item) break;
    accounts.Take(AmountOf(*item->batch), item->redelivered);
    accounts.Deliver(AmountOf(*item->batch));
    (*queue)->Finish(*item);
  }
  kiln::pipeline::Ledger ledger = accounts.Read();
  ledger.queued = (*queue)->state().waiting;
  if (!ledger.Balanced()) {
    fprintf(stderr, "%s", ledger.Dump().c_str());
    std::abort();
  }
  return true;
}

const std::string& SoundFile(const std::string& directory, const std::string& path) {
  static const std::string sound = [&] {
    if (!Use(directory, false)) std::abort();
    return ReadAll(path);
  }();
  return sound;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const kiln::pipeline::ScratchDirectory scratch;
  const std::string path = scratch.path() + "/exporter_otlp_logs.db";
  std::string content = SoundFile(scratch.path(), path);
  for (size_t i = 0; i + 3 <= size && i < 300; i += 3) {
    const size_t offset = (size_t{data[i]} << 8 | data[i + 1]) % content.size();
    content[offset] = static_cast<char>(data[i + 2]);
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  Use(scratch.path(), true);
  return 0;
}
