// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ledger.h"

#include <fmt/format.h>

namespace kiln::pipeline {
namespace {

// As the Collector names the items of a signal.
std::string_view ItemsName(Signal signal) {
  switch (signal) {
    case Signal::kTraces: return "spans";
    case Signal::kMetrics: return "metric_points";
    case Signal::kLogs: return "log_records";
    case Signal::kProfiles: return "profile_samples";
  }
  return "items";
}

// Lost before an attempt to send it: the Collector's enqueue_failed. The others are its send_failed.
bool LostInQueue(DropReason reason) {
  switch (reason) {
    case DropReason::kQueueFull:
    case DropReason::kDiskFull:
    case DropReason::kDiskError:
    case DropReason::kCorruptStorage: return true;
    case DropReason::kRetryExhausted:
    case DropReason::kPermanent:
    case DropReason::kRejected:
    case DropReason::kTooLarge:
    case DropReason::kMalformed:
    case DropReason::kShutdown: return false;
  }
  return false;
}

Counter& CollectorCounter(MetricRegistry& registry, std::string_view what, std::string_view help,
                          const std::string& exporter_id, Signal signal) {
  return registry.GetCounter(fmt::format("otelcol_exporter_{}_{}_total", what, ItemsName(signal)), help,
                             {{"exporter", exporter_id}});
}

MetricLabels With(MetricLabels labels, std::string_view value) {
  labels.emplace_back("reason", value);
  return labels;
}

}  // namespace

Amount& Amount::operator+=(const Amount& other) {
  requests += other.requests;
  items += other.items;
  weight += other.weight;
  return *this;
}

Amount& Amount::operator-=(const Amount& other) {
  requests -= other.requests;
  items -= other.items;
  weight -= other.weight;
  return *this;
}

std::string_view DropReasonName(DropReason reason) {
  switch (reason) {
    case DropReason::kQueueFull: return "queue_full";
    case DropReason::kRetryExhausted: return "retry_exhausted";
    case DropReason::kPermanent: return "permanent";
    case DropReason::kRejected: return "rejected";
    case DropReason::kTooLarge: return "too_large";
    case DropReason::kMalformed: return "malformed";
    case DropReason::kShutdown: return "shutdown";
    case DropReason::kDiskFull: return "disk_full";
    case DropReason::kDiskError: return "disk_error";
    case DropReason::kCorruptStorage: return "corrupt_storage";
  }
  return "";
}

std::string_view RefuseReasonName(RefuseReason reason) {
  switch (reason) {
    case RefuseReason::kQueueFull: return "queue_full";
    case RefuseReason::kTooLarge: return "too_large";
    case RefuseReason::kShutdown: return "shutdown";
    case RefuseReason::kRetryExhausted: return "retry_exhausted";
  }
  return "";
}

Amount Ledger::TotalDropped() const {
  Amount total;
  for (const Amount& amount : dropped) total += amount;
  return total;
}

bool Ledger::Balanced() const {
  const Amount in = accepted + restored;
  const Amount out = delivered + TotalDropped() + queued + in_flight;
  return in.items == out.items && in.weight == out.weight;
}

std::string Ledger::Dump() const {
  std::string out;
  const auto line = [&](std::string_view name, const Amount& amount) {
    if (amount == Amount{}) return;
    out += fmt::format("{}: {} samples, {} items, {} requests\n", name, amount.weight, amount.items, amount.requests);
  };
  line("accepted", accepted);
  line("restored", restored);
  line("delivered", delivered);
  for (size_t i = 0; i < kDropReasons; ++i) {
    line(fmt::format("dropped {}", DropReasonName(static_cast<DropReason>(i))), dropped[i]);
  }
  line("queued", queued);
  line("in flight", in_flight);
  line("redelivered", redelivered);
  for (size_t i = 0; i < kRefuseReasons; ++i) {
    line(fmt::format("refused {}", RefuseReasonName(static_cast<RefuseReason>(i))), refused[i]);
  }
  return out;
}

Accounts::Pair::Pair(MetricRegistry& registry, std::string_view stem, std::string_view help, const MetricLabels& labels)
    : samples(&registry.GetCounter(fmt::format("kiln_pipeline_{}_samples_total", stem),
                                   fmt::format("Samples (of other signals: items) {}", help), labels)),
      requests(&registry.GetCounter(fmt::format("kiln_pipeline_{}_requests_total", stem),
                                    fmt::format("Requests {}", help), labels)) {}

void Accounts::Pair::Add(const Amount& amount) const {
  samples->Add(amount.weight);
  requests->Add(amount.requests);
}

Accounts::Accounts(MetricRegistry& registry, const std::string& exporter_id, Signal signal)
    : Accounts(registry, exporter_id, signal,
               {{"exporter", exporter_id}, {"signal", std::string(SignalName(signal))}}) {}

Accounts::Accounts(MetricRegistry& registry, const std::string& exporter_id, Signal signal, const MetricLabels& labels)
    : accepted_(registry, "accepted", "that the exporter's queue took over", labels),
      restored_(registry, "restored", "found in the storage at a start", labels),
      delivered_(registry, "delivered", "that the destination has acknowledged", labels),
      redelivered_(registry, "redelivered", "sent again since they were in flight when the process died", labels),
      left_(registry, "left", "left in the storage at an orderly end, for the next start", labels),
      sent_(CollectorCounter(registry, "sent", "Items that were sent successfully", exporter_id, signal)),
      send_failed_(
          CollectorCounter(registry, "send_failed", "Items given up after trying to send them", exporter_id, signal)),
      enqueue_failed_(CollectorCounter(registry, "enqueue_failed", "Items that the queue could not take or keep",
                                       exporter_id, signal)),
      set_aside_(registry.GetCounter("kiln_pipeline_storage_set_aside_total",
                                     "Files of the queue that were damaged, renamed and replaced", labels)) {
  // All series from the start: a counter that springs up at its first event hides that event from rate().
  for (size_t i = 0; i < kDropReasons; ++i) {
    dropped_.emplace_back(registry, "dropped", "accepted, but lost for this reason",
                          With(labels, DropReasonName(static_cast<DropReason>(i))));
  }
  for (size_t i = 0; i < kRefuseReasons; ++i) {
    refused_.emplace_back(registry, "refused", "not accepted for this reason; whoever offered them was told",
                          With(labels, RefuseReasonName(static_cast<RefuseReason>(i))));
  }
}

void Accounts::Accept(const Amount& amount) {
  accepted_.Add(amount);
  const std::lock_guard lock(mutex_);
  ledger_.accepted += amount;
}

void Accounts::Restore(const Amount& amount) {
  restored_.Add(amount);
  const std::lock_guard lock(mutex_);
  ledger_.restored += amount;
}

void Accounts::Refuse(RefuseReason reason, const Amount& amount) {
  const auto index = static_cast<size_t>(reason);
  refused_[index].Add(amount);
  (reason == RefuseReason::kRetryExhausted ? send_failed_ : enqueue_failed_).Add(amount.items);
  const std::lock_guard lock(mutex_);
  ledger_.refused[index] += amount;
}

void Accounts::Drop(DropReason reason, const Amount& amount) {
  dropped_[static_cast<size_t>(reason)].Add(amount);
  (LostInQueue(reason) ? enqueue_failed_ : send_failed_).Add(amount.items);
}

void Accounts::DropQueued(DropReason reason, const Amount& amount) {
  Drop(reason, amount);
  const std::lock_guard lock(mutex_);
  ledger_.dropped[static_cast<size_t>(reason)] += amount;
}

void Accounts::Take(const Amount& amount, bool redelivered) {
  if (redelivered) redelivered_.Add(amount);
  const std::lock_guard lock(mutex_);
  ledger_.in_flight += amount;
  if (redelivered) ledger_.redelivered += amount;
}

void Accounts::Split(int64_t pieces) {
  const std::lock_guard lock(mutex_);
  ledger_.in_flight.requests += pieces - 1;
}

void Accounts::Deliver(const Amount& amount) {
  delivered_.Add(amount);
  sent_.Add(amount.items);
  const std::lock_guard lock(mutex_);
  ledger_.delivered += amount;
  ledger_.in_flight -= amount;
}

void Accounts::DropInFlight(DropReason reason, const Amount& amount) {
  Drop(reason, amount);
  const std::lock_guard lock(mutex_);
  ledger_.dropped[static_cast<size_t>(reason)] += amount;
  ledger_.in_flight -= amount;
}

void Accounts::Return(const Amount& amount) {
  const std::lock_guard lock(mutex_);
  ledger_.in_flight -= amount;
}

void Accounts::Leave(const Amount& amount) { left_.Add(amount); }

Ledger Accounts::Read() const {
  const std::lock_guard lock(mutex_);
  return ledger_;
}

}  // namespace kiln::pipeline
