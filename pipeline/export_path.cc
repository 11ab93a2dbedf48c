// SPDX-License-Identifier: Apache-2.0
#include "pipeline/export_path.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include "pipeline/disk_queue.h"
#include "pipeline/memory_queue.h"

namespace kiln::pipeline {
namespace {

// After the storage could not be read.
constexpr absl::Duration kStorageRetry = absl::Seconds(1);

Status CheckSettings(const ExportPath::Options& options) {
  const QueueSettings& queue = options.settings.queue;
  if (!queue.enabled) return absl::OkStatus();
  if (queue.num_consumers < 1 || queue.queue_size < 1) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "exporter {}: sending_queue needs a num_consumers and a queue_size of at least 1",
                 options.exporter_id);
  }
  if (!queue.storage.empty() && !options.storage) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "exporter {}: sending_queue.storage names {}, which is no configured file_storage extension",
                 options.exporter_id, queue.storage);
  }
  return absl::OkStatus();
}

Amount Sum(std::span<const BatchPtr> pieces) {
  Amount sum;
  for (const BatchPtr& piece : pieces) sum += AmountOf(*piece);
  return sum;
}

}  // namespace

StatusOr<std::unique_ptr<ExportPath>> ExportPath::Create(Options options, Exporter& exporter, Clock& clock,
                                                         MetricRegistry& metrics) {
  KILN_RETURN_IF_ERROR(CheckSettings(options));
  std::unique_ptr<ExportPath> path(new ExportPath(std::move(options), exporter, clock, metrics));
  const Options& o = path->options_;
  if (o.settings.queue.enabled && !o.settings.queue.storage.empty()) {
    auto queue = DiskQueue::Open({.queue = o.settings.queue,
                                  .storage = *o.storage,
                                  .exporter_id = o.exporter_id,
                                  .signal = o.signal,
                                  .notify = o.notify,
                                  .max_pages = o.max_storage_pages},
                                 path->accounts_, clock);
    if (!queue.ok()) return Annotate(queue.status(), fmt::format("exporter {}", o.exporter_id));
    path->queue_ = *std::move(queue);
  } else if (o.settings.queue.enabled) {
    path->queue_ = std::make_unique<MemoryQueue>(o.settings.queue, path->accounts_);
  }
  path->RegisterMetrics(metrics);
  if (path->queue_ != nullptr) {
    const std::lock_guard lock(path->mutex_);
    const int64_t waiting = path->queue_->state().waiting.requests;
    for (int64_t i = 0; i < std::min<int64_t>(waiting, o.settings.queue.num_consumers); ++i) path->StartConsumer();
  }
  return path;
}

ExportPath::ExportPath(Options options, Exporter& exporter, Clock& clock, MetricRegistry& metrics)
    : options_(std::move(options)),
      exporter_(exporter),
      clock_(clock),
      stop_(clock),
      accounts_(metrics, options_.exporter_id, options_.signal),
      sender_(options_.exporter_id, options_.settings, exporter, clock, options_.random, stop_, accounts_,
              options_.notify) {}

ExportPath::~ExportPath() { Shutdown(absl::ZeroDuration()); }

void ExportPath::RegisterMetrics(MetricRegistry& metrics) {
  const std::string signal(SignalName(options_.signal));
  const MetricLabels ours = {{"exporter", options_.exporter_id}, {"signal", signal}};
  const MetricLabels collectors = {{"exporter", options_.exporter_id}, {"data_type", signal}};
  const auto gauge = [&](std::string_view name, std::string_view help, const MetricLabels& labels,
                         std::function<double()> read) {
    gauges_.push_back(metrics.AddCallback(MetricKind::kGauge, name, help, labels, std::move(read)));
  };
  gauge("otelcol_exporter_in_flight_requests", "Attempts to send that are under way", collectors,
        [this] { return static_cast<double>(sender_.state().under_way); });
  gauge("kiln_pipeline_consecutive_failures", "Failed attempts since the last delivery", ours,
        [this] { return static_cast<double>(sender_.state().consecutive_failures); });
  gauge("kiln_pipeline_in_flight_samples", "Samples taken from the queue whose fate is not decided", ours,
        [this] { return static_cast<double>(accounts_.Read().in_flight.weight); });
  if (queue_ == nullptr) return;
  gauge("otelcol_exporter_queue_size", "Size of the queue, in units of its sizer", collectors,
        [this] { return static_cast<double>(queue_->state().size); });
  gauge("otelcol_exporter_queue_capacity", "Capacity of the queue, in units of its sizer", collectors,
        [this] { return static_cast<double>(queue_->state().capacity); });
  gauge("kiln_pipeline_queued_samples", "Samples that wait in the queue", ours,
        [this] { return static_cast<double>(queue_->state().waiting.weight); });
  gauge("kiln_pipeline_queued_bytes", "Bytes of the requests that wait in the queue", ours,
        [this] { return static_cast<double>(queue_->state().bytes); });
  gauge("kiln_pipeline_storage_degraded", "1 while the queue's file can't be written", ours,
        [this] { return queue_->state().degraded ? 1.0 : 0.0; });
}

Status ExportPath::Refuse(RefuseReason reason, const Batch& batch) {
  accounts_.Refuse(reason, AmountOf(batch));
  const std::string& id = options_.exporter_id;
  switch (reason) {
    case RefuseReason::kQueueFull:
      return Error(absl::StatusCode::kResourceExhausted, "the queue of exporter {} is full ({})", id,
                   options_.settings.queue.queue_size);
    case RefuseReason::kTooLarge:
      return Error(absl::StatusCode::kInvalidArgument,
                   "a request of {} bytes and {} items is larger than the whole queue of exporter {}",
                   batch.bytes.size(), batch.items, id);
    case RefuseReason::kShutdown: return Error(absl::StatusCode::kUnavailable, "exporter {} is shutting down", id);
    case RefuseReason::kRetryExhausted: break;
  }
  const SendState state = sender_.state();
  return Error(absl::StatusCode::kUnavailable, "exporter {} can't send: {}", id,
               state.last ? state.last->message : "no attempt was made");
}

Status ExportPath::Consume(BatchPtr batch) {
  if (batch == nullptr || batch->bytes.empty()) return absl::OkStatus();
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kRunning)
      ++producers_;
    else
      return Refuse(RefuseReason::kShutdown, *batch);
  }
  Status status = queue_ == nullptr ? ConsumeNow(batch) : Enqueue(batch);
  const std::lock_guard lock(mutex_);
  --producers_;
  done_.notify_all();
  return status;
}

Status ExportPath::ConsumeNow(const BatchPtr& batch) {
  const Amount amount = AmountOf(*batch);
  accounts_.Take(amount, false);
  const Sender::Left left = sender_.Send(batch, true);
  const Amount rest = Sum(left.pieces);
  if (left.pieces.empty() || rest.items != amount.items || rest.weight != amount.weight) {
    // Some of it is decided, so it can't be given back.
    accounts_.Accept(amount);
    if (!left.pieces.empty()) {
      accounts_.DropInFlight(stop_.stopping() ? DropReason::kShutdown : DropReason::kRetryExhausted, rest);
    }
    return absl::OkStatus();
  }
  accounts_.Return(rest);
  return Refuse(stop_.stopping() ? RefuseReason::kShutdown : RefuseReason::kRetryExhausted, *batch);
}

Status ExportPath::Enqueue(const BatchPtr& batch) {
  for (;;) {
    uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      seen = changes_;
    }
    switch (queue_->Put(batch)) {
      case Queue::PutResult::kTaken: {
        Step("stored");
        accounts_.Accept(AmountOf(*batch));
        const std::lock_guard lock(mutex_);
        ++puts_;
        WakeConsumer();
        return absl::OkStatus();
      }
      case Queue::PutResult::kTooLarge: return Refuse(RefuseReason::kTooLarge, *batch);
      case Queue::PutResult::kFull: break;
    }
    if (options_.settings.queue.overflow != QueueSettings::Overflow::kBlock) {
      return Refuse(RefuseReason::kQueueFull, *batch);
    }
    std::unique_lock lock(mutex_);
    while (phase_ == Phase::kRunning && changes_ == seen) clock_.Wait(lock, room_, absl::InfiniteDuration());
    if (phase_ != Phase::kRunning) return Refuse(RefuseReason::kShutdown, *batch);
  }
}

void ExportPath::WakeConsumer() {
  if (idle_ > 0) work_.notify_one();
  // Idle ones may have been woken for other batches, and not have come to it yet.
  if (queue_->state().waiting.requests > idle_ && live_ < options_.settings.queue.num_consumers) StartConsumer();
}

void ExportPath::StartConsumer() {
  // Stacks keep their default size: only what a thread touches takes memory, and exporters call TLS libraries.
  try {
    threads_.emplace_back([this] { RunConsumer(); });
    ++live_;
  } catch (const std::system_error& error) {
    // The batch is in the queue; the next one tries again.
    if (live_ == 0 && options_.notify) {
      options_.notify({Notice::Level::kError, fmt::format("exporter {}: cannot start a thread to send with: {}",
                                                          options_.exporter_id, error.what())});
    }
  }
}

void ExportPath::RunConsumer() {
  pthread_setname_np(pthread_self(), "kiln-export");
  std::unique_lock lock(mutex_);
  for (;;) {
    while (phase_ == Phase::kRunning && !HasWork()) {
      ++idle_;
      clock_.Wait(lock, work_, absl::InfiniteDuration());
      --idle_;
    }
    if (phase_ != Phase::kRunning && (!HasWork() || stop_.TimeLeft() <= absl::ZeroDuration())) break;
    const uint64_t seen = puts_;
    lock.unlock();
    std::optional<Queue::Item> item = queue_->Take();
    const bool found = item.has_value();
    if (found) Process(*std::move(item));
    lock.lock();
    if (found || puts_ != seen) continue;
    // Another consumer was faster, or the storage can't be read now.
    if (phase_ != Phase::kRunning) break;
    if (HasWork()) clock_.Wait(lock, work_, clock_.Monotonic() + kStorageRetry);
  }
  --live_;
  done_.notify_all();
}

void ExportPath::Process(Queue::Item item) {
  accounts_.Take(AmountOf(*item.batch), item.redelivered);
  const auto shorter = [this] {
    const std::lock_guard lock(mutex_);
    ++changes_;
    room_.notify_all();
  };
  shorter();
  Step("taken");
  const Sender::Left left = sender_.Send(std::move(item.batch), false);
  Step("decided");
  if (left.pieces.empty()) {
    queue_->Finish(item);
    Step("finished");
    return shorter();
  }
  const Amount rest = Sum(left.pieces);
  if (queue_->Return(item, left.pieces, left.whole)) {
    accounts_.Return(rest);
  } else {
    accounts_.DropInFlight(DropReason::kShutdown, rest);
  }
}

void ExportPath::Shutdown(absl::Duration grace) {
  std::unique_lock lock(mutex_);
  if (phase_ != Phase::kRunning) {
    while (phase_ != Phase::kStopped) clock_.Wait(lock, done_, absl::InfiniteDuration());
    return;
  }
  phase_ = Phase::kStopping;
  const absl::Duration deadline = clock_.Monotonic() + grace;
  stop_.Begin(deadline);
  work_.notify_all();
  room_.notify_all();
  const auto busy = [&] { return live_ > 0 || producers_ > 0; };
  while (busy() && clock_.Monotonic() < deadline) clock_.Wait(lock, done_, deadline);
  if (busy()) {
    lock.unlock();
    exporter_.Cancel();
    lock.lock();
    while (busy()) clock_.Wait(lock, done_, absl::InfiniteDuration());
  }
  lock.unlock();
  for (std::thread& thread : threads_) thread.join();
  gauges_.clear();  // what is left in a storage counts as left, and as queued again for who opens it next
  if (queue_ != nullptr) queue_->Close();
  lock.lock();
  phase_ = Phase::kStopped;
  done_.notify_all();
}

Ledger ExportPath::ReadLedger() const {
  Ledger ledger = accounts_.Read();
  if (queue_ != nullptr) ledger.queued = queue_->state().waiting;
  return ledger;
}

ExportState ExportPath::state() const {
  ExportState state{.sending = sender_.state()};
  if (queue_ != nullptr) state.queue = queue_->state();
  const std::lock_guard lock(mutex_);
  state.consumers = live_;
  return state;
}

}  // namespace kiln::pipeline
