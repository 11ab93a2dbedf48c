// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/service.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/config/render.h"
#include "agent/doctor/host_system.h"
#include "agent/doctor/privileges.h"
#include "agent/govern/resource_use.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr uint64_t kResourcesIntervalNs = 60'000'000'000;
// Of what the cgroup leaves: at its limit the kernel throttles or kills.
constexpr double kCgroupShare = 0.9;
constexpr size_t kMaxCacheBytes = size_t{8} << 20;
constexpr size_t kMinCacheBytes = size_t{2} << 20;
constexpr size_t kMaxSteps = 50;

LogSeverity SeverityOf(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug: return LogSeverity::kDebug;
    case config::LogLevel::kInfo: return LogSeverity::kInfo;
    case config::LogLevel::kWarn: return LogSeverity::kWarn;
    case config::LogLevel::kError: return LogSeverity::kError;
  }
  return LogSeverity::kInfo;
}

LogSeverity SeverityOf(pipeline::Notice::Level level) {
  switch (level) {
    case pipeline::Notice::Level::kInfo: return LogSeverity::kInfo;
    case pipeline::Notice::Level::kWarning: return LogSeverity::kWarn;
    case pipeline::Notice::Level::kError: return LogSeverity::kError;
  }
  return LogSeverity::kWarn;
}

Exports::Options ExportOptions(AgentLog& log) {
  return {.notify =
              [&log](const pipeline::Notice& notice) {
                log.Limited(SeverityOf(notice.level), "export", notice.text, notice.text);
              },
          .debug_output = [&log](std::string_view text) { log.Info("debug", text); }};
}

// The profiler that a pipeline of profiles names; nullptr if none does.
const std::pair<const std::string, config::ProfilingReceiver>* WantedReceiver(const config::AgentConfig& config) {
  for (const std::string& id : config::UsedReceivers(config)) {
    if (const auto found = config.receivers.find(id); found != config.receivers.end()) return &*found;
  }
  return nullptr;
}

std::string LevelText(const GovernorDecision& decision, int64_t wanted_hz) {
  if (decision.detail == Detail::kPaused) return "paused";
  std::string text = decision.frequency_hz < wanted_hz
                         ? fmt::format("frequency {} of {} Hz", decision.frequency_hz, wanted_hz)
                         : fmt::format("full frequency, {} Hz", decision.frequency_hz);
  if (decision.detail != Detail::kFull) text += fmt::format(", {}", DetailName(decision.detail));
  if (decision.small_caches) text += ", small caches";
  return text;
}

}  // namespace

Service::Service(config::LoadResult loaded, AgentLog& log)
    : log_(log),
      process_metrics_(metrics_, KILN_VERSION, [this] { return clock_.Monotonic(); }),
      exports_(ExportOptions(log), clock_, metrics_),
      loaded_(std::move(loaded)) {
  RegisterMetrics();
}

Service::~Service() { Stop(absl::ZeroDuration()); }

Status Service::Start() {
  heartbeat_.Touch(MonotonicNs());
  HostSystem system;
  const PrivilegeReport privileges = ReportPrivileges(system);
  warnings_ = privileges.warnings;
  for (const std::string& warning : privileges.warnings) log_.Warn("privileges", warning);
  for (const std::string& remark : privileges.remarks) log_.Debug("privileges", remark);
  KILN_RETURN_IF_ERROR(privileges.status);
  log_.SetSeverity(SeverityOf(loaded_.config.service.telemetry.log_level));
  // The pages first: whoever looks shall see that the agent starts, and why it does not.
  KILN_RETURN_IF_ERROR(StartServer());
  KILN_RETURN_IF_ERROR(exports_.Apply(loaded_.config));
  KILN_RETURN_IF_ERROR(StartSource());
  NoteReload(true, "the configuration of the start");
  return absl::OkStatus();
}

Status Service::StartSource() {
  const auto* receiver = WantedReceiver(loaded_.config);
  if (receiver == nullptr) return absl::OkStatus();
  const GovernorLimits limits = LimitsOf(loaded_.config.service.limits);
  const size_t cache_bytes =
      limits.memory_bytes == 0 ? kMaxCacheBytes : std::clamp(limits.memory_bytes / 8, kMinCacheBytes, kMaxCacheBytes);
  auto source = ProfileSource::Start(
      {.id = receiver->first,
       .settings = receiver->second,
       .bpf_memory_bytes = static_cast<uint64_t>(loaded_.config.service.limits.bpf_memory_mib) << 20,
       .cache_bytes = cache_bytes},
      exports_, metrics_);
  if (!source.ok()) return Annotate(source.status(), fmt::format("receivers.{}", receiver->first));
  for (const std::string& note : (*source)->notes()) log_.Warn("profiling", note);
  governor_ = std::make_unique<kiln::agent::Governor>(static_cast<int>(receiver->second.frequency), limits);
  const std::lock_guard lock(mutex_);
  source_ = *std::move(source);
  governor_status_.level = LevelText(governor_->decision(), receiver->second.frequency);
  governor_status_.since = absl::Now();
  return absl::OkStatus();
}

Status Service::StartServer() {
  const config::TelemetryConfig& telemetry = loaded_.config.service.telemetry;
  if (telemetry.metrics_address.empty()) return absl::OkStatus();
  auto server = HttpServer::Start({.address = telemetry.metrics_address}, [this](const HttpServerRequest& request) {
    Pages* const pages = served_pages_.load();
    return pages == nullptr ? HttpServerResponse{.status = 503, .body = "kiln is starting\n"} : pages->Handle(request);
  });
  if (!server.ok()) return Annotate(server.status(), "service.telemetry.metrics.address");
  server_ = *std::move(server);
  pages_ = std::make_unique<Pages>(
      PagesSettings{.metrics = telemetry.metrics_level != config::MetricsLevel::kNone, .debug = server_->loopback()},
      metrics_, heartbeat_, *this, absl::Now, MonotonicNs);
  served_pages_ = pages_.get();
  return absl::OkStatus();
}

GovernorLimits Service::LimitsOf(const config::LimitsConfig& limits) {
  const auto host_cpus = static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  GovernorLimits result{.cpu_cores = limits.cpu_percent / 100 * host_cpus,
                        .memory_bytes = static_cast<uint64_t>(limits.memory_mib) << 20};
  const CgroupLimits cgroup = ReadCgroupLimits();
  if (cgroup.cpus) {
    const double cores = *cgroup.cpus * kCgroupShare;
    result.cpu_cores = result.cpu_cores == 0 ? cores : std::min(result.cpu_cores, cores);
  }
  if (cgroup.memory_bytes) {
    const auto bytes = static_cast<uint64_t>(static_cast<double>(*cgroup.memory_bytes) * kCgroupShare);
    result.memory_bytes = result.memory_bytes == 0 ? bytes : std::min(result.memory_bytes, bytes);
  }
  return result;
}

Status Service::Reload(config::LoadResult loaded) {
  const config::ConfigDiff diff = config::Diff(loaded_.config, loaded.config);
  if (diff.empty()) {
    NoteReload(true, "nothing is different");
    return absl::OkStatus();
  }
  Status status = ApplyReceivers(loaded.config, diff);
  if (status.ok()) status = exports_.Apply(loaded.config);
  if (!status.ok()) {
    // What was changed of the receiver goes back.
    (void)ApplyReceivers(loaded_.config, config::Diff(loaded.config, loaded_.config));
    NoteReload(false, std::string(Message(status)));
    return status;
  }
  if (diff.logs) log_.SetSeverity(SeverityOf(loaded.config.service.telemetry.log_level));
  if (diff.limits && governor_ != nullptr) governor_->SetLimits(LimitsOf(loaded.config.service.limits));
  {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(loaded);
  }
  std::string what;
  for (const std::string& line : diff.Describe()) what += (what.empty() ? "" : "; ") + line;
  NoteReload(true, what);
  return absl::OkStatus();
}

Status Service::ApplyReceivers(const config::AgentConfig& next, const config::ConfigDiff& diff) {
  if (diff.metrics_address) {
    return absl::FailedPreconditionError(
        "service.telemetry.metrics.address: takes effect with a restart of the agent only");
  }
  const auto* wanted = WantedReceiver(next);
  for (const config::ReceiverChange& change : diff.receivers) {
    if (change.change != config::Change::kChanged || wanted == nullptr || change.id != wanted->first) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "receivers.{}: profilers can be changed under way, but not added or taken away: restart the agent",
                   change.id);
    }
    if (Status status = source_->Apply(wanted->second, change); !status.ok()) {
      return Annotate(status, fmt::format("receivers.{}", change.id));
    }
    if (change.parts.contains(config::ReceiverPart::kFrequency)) {
      governor_->SetFrequency(static_cast<int>(wanted->second.frequency));
      source_->Govern(governor_->decision());
    }
  }
  return absl::OkStatus();
}

void Service::NoteFailedReload(const std::string& errors) { NoteReload(false, errors); }

void Service::NoteReload(bool ok, std::string message) {
  const std::lock_guard lock(mutex_);
  reload_.last = absl::Now();
  reload_.ok = ok;
  reload_.message = std::move(message);
  ++(ok ? reload_.succeeded : reload_.failed);
}

void Service::Tick() {
  heartbeat_.Touch(MonotonicNs());
  exports_.Tick();
  log_.ReportSuppressed();
  Govern();
}

void Service::Govern() {
  if (source_ == nullptr) return;
  if (const uint64_t now = MonotonicNs(); now >= next_resources_ns_) {
    next_resources_ns_ = now + kResourcesIntervalNs;
    governor_->SetLimits(LimitsOf(loaded_.config.service.limits));
  }
  const ResourceUse use = ReadResourceUse(source_->bpf_ns());
  const uint64_t steps = governor_->steps();
  const GovernorDecision decision = governor_->Update(use);
  const bool stepped = governor_->steps() != steps;
  const int64_t wanted_hz = WantedReceiver(loaded_.config)->second.frequency;
  const std::string level = LevelText(decision, wanted_hz);
  if (stepped) {
    source_->Govern(decision);
    log_.Info("governor", fmt::format("sampling goes on with {}: {}", level, governor_->reason()),
              {{"frequency_hz", int64_t{decision.frequency_hz}}, {"detail", std::string(DetailName(decision.detail))}});
  }
  const auto host_cpus = static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const config::LimitsConfig& limits = loaded_.config.service.limits;
  const std::lock_guard lock(mutex_);
  governor_status_.cpu_limit_percent = limits.cpu_percent;
  governor_status_.cpu_percent = 100 * governor_->cpu_cores() / host_cpus;
  governor_status_.memory_limit_bytes = static_cast<uint64_t>(limits.memory_mib) << 20;
  governor_status_.memory_bytes = use.memory_bytes;
  governor_steps_ = governor_->steps();
  governor_detail_ = decision.detail;
  if (!stepped) return;
  governor_status_.level = level;
  governor_status_.since = absl::Now();
  governor_status_.steps.push_back({.time = absl::Now(), .what = fmt::format("{}: {}", level, governor_->reason())});
  if (governor_status_.steps.size() > kMaxSteps) governor_status_.steps.erase(governor_status_.steps.begin());
}

void Service::Stop(absl::Duration grace) {
  if (std::exchange(stopped_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (source_ != nullptr) source_->Stop();
  exports_.Shutdown(grace);
  registrations_.clear();
  if (server_ != nullptr) server_->Stop();
}

void Service::RegisterMetrics() {
  const auto add = [this](MetricKind kind, std::string_view name, std::string_view help, MetricLabels labels,
                          std::function<double()> read) {
    registrations_.push_back(metrics_.AddCallback(kind, name, help, std::move(labels), [this, read = std::move(read)] {
      const std::lock_guard lock(mutex_);
      return read();
    }));
  };
  add(MetricKind::kCounter, "kiln_config_reloads_total", "Times that the configuration was read anew.",
      {{"outcome", "success"}}, [this] { return static_cast<double>(reload_.succeeded); });
  add(MetricKind::kCounter, "kiln_config_reloads_total", "Times that the configuration was read anew.",
      {{"outcome", "failure"}}, [this] { return static_cast<double>(reload_.failed); });
  add(MetricKind::kGauge, "kiln_config_last_reload_successful", "1 if the configuration in force is the latest.", {},
      [this] { return reload_.ok ? 1.0 : 0.0; });
  add(MetricKind::kGauge, "kiln_governor_cpu_percent",
      "What the agent uses of all CPUs, its BPF programs included; a mean of some ten seconds.", {},
      [this] { return governor_status_.cpu_percent; });
  add(MetricKind::kGauge, "kiln_governor_cpu_limit_percent", "service.limits.cpu_percent; 0 = none.", {},
      [this] { return governor_status_.cpu_limit_percent; });
  add(MetricKind::kCounter, "kiln_governor_steps_total", "Times that the governor changed frequency or detail.", {},
      [this] { return static_cast<double>(governor_steps_); });
  add(MetricKind::kGauge, "kiln_governor_detail",
      "Detail in force: 0 full, 1 long windows, 2 no copied stacks, 3 paused.", {},
      [this] { return static_cast<double>(governor_detail_); });
}

}  // namespace kiln::agent
