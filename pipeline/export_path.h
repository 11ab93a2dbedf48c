// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "pipeline/batch.h"
#include "pipeline/clock.h"
#include "pipeline/exporter.h"
#include "pipeline/ledger.h"
#include "pipeline/queue.h"
#include "pipeline/sender.h"
#include "pipeline/settings.h"
#include "pipeline/stop_signal.h"

namespace kiln::pipeline {

// What /readyz and /debug show of one way.
struct ExportState {
  SendState sending;
  QueueState queue;   // all 0 without a queue
  int consumers = 0;  // threads that were started
};

// The way of one signal to one exporter: queue → consumers → pieces of the right size → attempts with back-off.
//
//   producers ─Consume─▶ queue (memory or disk) ─▶ consumer 1 … num_consumers ─Export─▶
//
// A consumer is a thread that has one batch in hand until its fate is decided, waiting for the next attempt included;
// when all of them wait the queue fills, and its overflow decides. Threads are started when there is work and no idle
// one, so a way with little to do has one. Thread-safe.
class ExportPath : public Consumer {
 public:
  struct Options {
    std::string exporter_id;  // "otlp/eu": in metrics, messages and file names
    Signal signal = Signal::kProfiles;
    ExportPathSettings settings;
    // The extension that settings.queue.storage names.
    std::optional<FileStorageSettings> storage;
    UniformRandom random = SystemRandom();
    NoticeSink notify;
    // For tests: called with the name of each step on the way of a batch, on the thread that makes it.
    std::function<void(std::string_view)> step;
    int64_t max_storage_pages = 0;  // for tests, see QueueDatabase
  };

  // Opens the queue and begins to send what it holds from an earlier run. Errors: settings that can't be, and those of
  // DiskQueue::Open. exporter, clock and metrics must outlive the object. When a configuration is reloaded, an old way
  // to a storage must be shut down before the new one is created: the file has one owner.
  static StatusOr<std::unique_ptr<ExportPath>> Create(Options options, Exporter& exporter, Clock& clock,
                                                      MetricRegistry& metrics);
  ~ExportPath() override;  // Shutdown(ZeroDuration())

  // With a queue: OK once the batch is in it (with Overflow::kBlock that may take long). kResourceExhausted: full, with
  // Overflow::kRefuse. Without a queue: sends it here and now, with its back-offs; OK once its fate is decided,
  // kUnavailable if retry gave up and no part was delivered. kUnavailable also after Shutdown; kInvalidArgument: larger
  // than the whole queue. What was not taken is counted as refused. An empty batch is OK and is forgotten.
  Status Consume(BatchPtr batch) override;

  // Takes no more, ends all waiting, and makes one last attempt at everything that is queued, until `grace` has passed;
  // then attempts under way are cancelled. What is left is dropped as kShutdown, or stays on disk for the next run.
  // Blocks until all threads have ended. Idempotent: later calls wait for the first.
  void Shutdown(absl::Duration grace);

  Ledger ReadLedger() const;
  ExportState state() const;

 private:
  ExportPath(Options options, Exporter& exporter, Clock& clock, MetricRegistry& metrics);
  void RegisterMetrics(MetricRegistry& metrics);
  Status ConsumeNow(const BatchPtr& batch);
  Status Enqueue(const BatchPtr& batch);
  Status Refuse(RefuseReason reason, const Batch& batch);
  bool HasWork() const { return queue_->state().waiting.requests > 0; }
  // mutex_ is held by the next two.
  void WakeConsumer();
  void StartConsumer();
  void RunConsumer();
  void Process(Queue::Item item);
  void Step(std::string_view name) const {
    if (options_.step) options_.step(name);
  }

  const Options options_;
  Exporter& exporter_;
  Clock& clock_;
  StopSignal stop_;
  Accounts accounts_;
  Sender sender_;
  std::unique_ptr<Queue> queue_;  // null: no queue

  mutable std::mutex mutex_;  // guards all below; never held while a queue is written or something is sent
  std::condition_variable work_, room_, done_;
  std::vector<std::thread> threads_;
  int live_ = 0;          // threads that have not ended
  int idle_ = 0;          // of them, waiting for work
  int producers_ = 0;     // inside Consume
  uint64_t puts_ = 0;     // counted up with each batch that came in …
  uint64_t changes_ = 0;  // … and whenever the queue got shorter
  enum class Phase : uint8_t { kRunning, kStopping, kStopped } phase_ = Phase::kRunning;

  // Last, so that nobody asks any more when the rest goes.
  std::vector<MetricRegistry::Registration> gauges_;
};

}  // namespace kiln::pipeline
