// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/exports.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/daemon/make_exporter.h"

namespace kiln::agent {
namespace {

// A way that was replaced may go on for so long with what it has.
constexpr absl::Duration kRetireTime = absl::Seconds(60);

// Exporters of the pipelines of profiles.
std::set<std::string> WantedIds(const config::AgentConfig& config) {
  std::set<std::string> ids;
  for (const auto& [id, pipeline] : config.service.pipelines) {
    if (pipeline.signal != pipeline::Signal::kProfiles) continue;
    ids.insert(pipeline.exporters.begin(), pipeline.exporters.end());
  }
  return ids;
}

std::optional<pipeline::FileStorageSettings> StorageOf(const std::string& id, const config::AgentConfig& config) {
  const std::string& storage = config.exporters.at(id).path.queue.storage;
  if (storage.empty()) return std::nullopt;
  return std::get<pipeline::FileStorageSettings>(config.extensions.at(storage));
}

absl::Time TimeOf(int64_t unix_nano) { return unix_nano == 0 ? absl::InfinitePast() : absl::FromUnixNanos(unix_nano); }

}  // namespace

Exports::Exports(Options options, pipeline::Clock& clock, MetricRegistry& metrics)
    : options_(std::move(options)), clock_(clock), metrics_(metrics) {}

Exports::~Exports() { Shutdown(absl::ZeroDuration()); }

StatusOr<Exports::WayPtr> Exports::MakeWay(const std::string& id, const config::AgentConfig& config) const {
  auto way = std::make_shared<Way>();
  way->id = id;
  way->config = config.exporters.at(id);
  way->storage = StorageOf(id, config);
  auto exporter = MakeExporter(way->config.settings, options_.debug_output);
  if (!exporter.ok()) return Annotate(exporter.status(), fmt::format("exporters.{}", id));
  way->exporter = *std::move(exporter);
  return way;
}

Status Exports::OpenPath(Way& way) const {
  pipeline::ExportPathSettings settings = way.config.path;
  settings.queue.num_consumers = std::min(settings.queue.num_consumers, options_.max_consumers);
  auto path = pipeline::ExportPath::Create({.exporter_id = way.id,
                                            .signal = pipeline::Signal::kProfiles,
                                            .settings = settings,
                                            .storage = way.storage,
                                            .notify = options_.notify},
                                           *way.exporter, clock_, metrics_);
  if (!path.ok()) return Annotate(path.status(), fmt::format("exporters.{}", way.id));
  way.path = *std::move(path);
  return absl::OkStatus();
}

Status Exports::Apply(const config::AgentConfig& config) {
  // What can fail without touching what runs comes first.
  std::map<std::string, WayPtr> next;
  std::vector<WayPtr> added;
  for (const std::string& id : WantedIds(config)) {
    const auto known = ways_.find(id);
    // Making an exporter may already change something: a file is emptied.
    if (known != ways_.end() && known->second->config == config.exporters.at(id) &&
        known->second->storage == StorageOf(id, config)) {
      next.emplace(id, known->second);
      continue;
    }
    KILN_ASSIGN_OR_RETURN(WayPtr way, MakeWay(id, config));
    next.emplace(id, way);
    added.push_back(std::move(way));
  }
  std::vector<WayPtr> replaced;
  for (const auto& [id, way] : ways_) {
    if (const auto kept = next.find(id); kept == next.end() || kept->second != way) replaced.push_back(way);
  }
  // A storage has one owner: who has one must let go before the next can take it. Batches wait meanwhile.
  const bool hands_over = std::ranges::any_of(replaced, [](const WayPtr& way) { return way->storage.has_value(); });
  if (hands_over) SetHandover(true);
  for (const WayPtr& way : replaced) {
    if (way->storage) way->path->Shutdown(absl::ZeroDuration());
  }
  Status status;
  for (const WayPtr& way : added) {
    status = OpenPath(*way);
    if (!status.ok()) break;
  }
  if (status.ok()) {
    const absl::Duration now = clock_.Monotonic();
    for (const WayPtr& way : replaced) {
      retiring_.push_back({.way = way, .deadline = way->storage ? now : now + kRetireTime});
    }
    SetRoute(std::move(next));
  } else {
    TakeBack(replaced, added, status);
  }
  if (hands_over) SetHandover(false);
  return status;
}

// The storages go back to ways like those that had them.
void Exports::TakeBack(const std::vector<WayPtr>& replaced, const std::vector<WayPtr>& added, Status& status) {
  for (const WayPtr& way : added) way->path.reset();
  std::map<std::string, WayPtr> ways = ways_;
  for (const WayPtr& old : replaced) {
    if (!old->storage) continue;
    auto way = std::make_shared<Way>();
    way->id = old->id;
    way->config = old->config;
    way->storage = old->storage;
    auto exporter = MakeExporter(way->config.settings, options_.debug_output);
    Status opened = exporter.status();
    if (exporter.ok()) {
      way->exporter = *std::move(exporter);
      opened = OpenPath(*way);
    }
    if (opened.ok()) {
      ways[old->id] = std::move(way);
      retiring_.push_back({.way = old, .deadline = clock_.Monotonic()});
    } else {
      status = Error(status.code(), "{}; and what was there before could not be restored: {}", Message(status),
                     Message(opened));
    }
  }
  SetRoute(std::move(ways));
}

void Exports::SetHandover(bool on) {
  {
    const std::lock_guard lock(mutex_);
    handover_ = on;
  }
  handed_over_.notify_all();
}

void Exports::SetRoute(std::map<std::string, WayPtr> ways) {
  auto route = std::make_shared<Route>();
  std::vector<pipeline::Consumer*> consumers;
  for (const auto& [id, way] : ways) {
    route->ways.push_back(way);
    consumers.push_back(way->path.get());
  }
  if (!consumers.empty()) route->fan_out = std::make_unique<pipeline::FanOut>(std::move(consumers));
  ways_ = std::move(ways);
  const std::lock_guard lock(mutex_);
  route_ = std::move(route);
}

std::shared_ptr<const Exports::Route> Exports::route() const {
  const std::lock_guard lock(mutex_);
  return route_;
}

std::shared_ptr<const Exports::Route> Exports::RouteForBatch() {
  std::unique_lock lock(mutex_);
  handed_over_.wait(lock, [this] { return !handover_; });
  return route_;
}

void Exports::Tick() {
  std::erase_if(retiring_, [this](const Retiring& retiring) {
    const pipeline::ExportState state = retiring.way->path->state();
    const bool is_empty = state.queue.waiting.requests == 0 && retiring.way->path->ReadLedger().in_flight.items == 0;
    if (!is_empty && clock_.Monotonic() < retiring.deadline) return false;
    // Who consumes right now may hold the way still.
    if (retiring.way.use_count() > 1) return false;
    retiring.way->path->Shutdown(absl::ZeroDuration());
    return true;
  });
}

Status Exports::Consume(pipeline::BatchPtr batch) {
  const std::shared_ptr<const Route> now = RouteForBatch();
  if (now->fan_out == nullptr) return absl::UnavailableError("no exporter is there");
  return now->fan_out->Consume(std::move(batch));
}

void Exports::Shutdown(absl::Duration grace) {
  std::vector<WayPtr> ways;
  for (const auto& [id, way] : ways_) ways.push_back(way);
  for (const Retiring& retiring : retiring_) ways.push_back(retiring.way);
  // Side by side: one that is down must not take the time of the others.
  std::vector<std::thread> threads;
  for (const WayPtr& way : ways) {
    if (way->path != nullptr) threads.emplace_back([way, grace] { way->path->Shutdown(grace); });
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<ExporterStatus> Exports::ExporterRows() const {
  using Outcome = pipeline::ExportResult::Outcome;
  std::vector<ExporterStatus> rows;
  const std::shared_ptr<const Route> now = route();
  for (const WayPtr& way : now->ways) {
    const pipeline::ExportState state = way->path->state();
    const pipeline::Ledger ledger = way->path->ReadLedger();
    ExporterStatus row{.id = way->id, .endpoint = DestinationOf(way->config.settings)};
    if (state.sending.last) {
      row.last = state.sending.last->outcome == Outcome::kDelivered   ? ExporterStatus::Last::kAccepted
                 : state.sending.last->outcome == Outcome::kPermanent ? ExporterStatus::Last::kRefused
                                                                      : ExporterStatus::Last::kRetrying;
      row.message = state.sending.last->message;
      row.last_attempt = TimeOf(state.sending.last->unix_nano);
    }
    row.last_accepted = TimeOf(state.sending.last_delivered_unix_nano);
    row.handed_over = ledger.accepted.requests + ledger.restored.requests;
    row.sent_samples = ledger.delivered.weight;
    row.failed_samples = ledger.TotalDropped().weight;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<QueueRow> Exports::QueueRows() const {
  std::vector<QueueRow> rows;
  const std::shared_ptr<const Route> now = route();
  for (const WayPtr& way : now->ways) {
    const pipeline::ExportState state = way->path->state();
    const pipeline::Ledger ledger = way->path->ReadLedger();
    static constexpr std::string_view kUnits[] = {"requests", "items", "bytes"};
    rows.push_back({.exporter = way->id,
                    .size = state.queue.size,
                    .capacity = state.queue.capacity,
                    .unit = std::string(kUnits[static_cast<size_t>(way->config.path.queue.sizer)]),
                    .bytes = state.queue.bytes,
                    .in_flight = state.sending.under_way,
                    .storage = way->storage ? way->storage->directory : "",
                    .dropped_samples = ledger.TotalDropped().weight});
  }
  return rows;
}

}  // namespace kiln::agent
