// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/service.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/config/render.h"
#include "agent/doctor/host_system.h"
#include "agent/doctor/privileges.h"
#include "agent/govern/resource_use.h"
#include "agent/session/environment.h"
#include "base/clock.h"
#include "otlp/semconv.h"

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
          .debug_output = [&log](std::string_view text) { log.Info("debug", text); },
          .max_consumers = MaxWaitingWorkers(ReadCgroupLimits())};
}

// Attributes of kiln itself.
std::map<std::string, std::string> TargetOf(const config::TelemetryConfig& telemetry) {
  std::map<std::string, std::string> target = {{std::string(otlp::kServiceName), "kiln"},
                                               {std::string(otlp::kServiceVersion), KILN_VERSION}};
  for (const auto& [key, value] : telemetry.resource) {
    if (value.empty()) {
      target.erase(key);
    } else {
      target[key] = value;
    }
  }
  return target;
}

// The profiler that a pipeline of profiles names; nullptr if none does.
const std::pair<const std::string, config::ProfilingReceiver>* WantedReceiver(const config::AgentConfig& config) {
  for (const std::string& id : config::UsedReceivers(config)) {
    if (const auto found = config.receivers.find(id); found != config.receivers.end()) return &*found;
  }
  return nullptr;
}

double HostCpus() { return static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))); }

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

LogFormat LogFormatOf(const config::TelemetryConfig& telemetry) {
  return telemetry.log_encoding == config::LogEncoding::kJson ? LogFormat::kJson : LogFormat::kText;
}

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
  log_.Configure(SeverityOf(loaded_.config.service.telemetry.log_level), LogFormatOf(loaded_.config.service.telemetry));
  process_metrics_.SetTarget(TargetOf(loaded_.config.service.telemetry));
  StartDebuginfod(loaded_.config);
  // The pages first: whoever looks shall see that the agent starts, and why it does not.
  KILN_RETURN_IF_ERROR(StartServer(loaded_.config.service.telemetry));
  KILN_RETURN_IF_ERROR(exports_.Apply(loaded_.config));
  KILN_RETURN_IF_ERROR(StartSource(loaded_.config));
  NoteReload(true, "the configuration of the start");
  return absl::OkStatus();
}

// It sets variables of the environment, so it comes before the first thread.
void Service::StartDebuginfod(const config::AgentConfig& config) {
  const auto* receiver = WantedReceiver(config);
  if (receiver == nullptr) return;
  const config::ProfilingDebugInfo& debug_info = receiver->second.debug_info;
  if (!debug_info.enabled || debug_info.debuginfod_urls.empty()) return;
  auto debuginfod = symbolizer::Debuginfod::Start(
      {.urls = debug_info.debuginfod_urls, .cache_folder = DebuginfodCacheFolder(debug_info.cache)});
  if (debuginfod.ok()) {
    debuginfod_ = *std::move(debuginfod);
  } else {
    log_.Warn("profiling", fmt::format("debuginfod servers are not asked: {}", Message(debuginfod.status())));
  }
}

Status Service::StartSource(const config::AgentConfig& config) {
  const auto* receiver = WantedReceiver(config);
  if (receiver == nullptr) return absl::OkStatus();
  const GovernorLimits limits = LimitsOf(config.service.limits);
  const size_t cache_bytes =
      limits.memory_bytes == 0 ? kMaxCacheBytes : std::clamp(limits.memory_bytes / 8, kMinCacheBytes, kMaxCacheBytes);
  auto source =
      ProfileSource::Start({.id = receiver->first,
                            .settings = receiver->second,
                            .bpf_memory_bytes = static_cast<uint64_t>(config.service.limits.bpf_memory_mib) << 20,
                            .cache_bytes = cache_bytes,
                            .debuginfod = debuginfod_.get(),
                            .before = counted_},
                           exports_, metrics_);
  if (!source.ok()) return Annotate(source.status(), fmt::format("receivers.{}", receiver->first));
  for (const std::string& note : (*source)->notes()) log_.Warn("profiling", note);
  governor_ = std::make_unique<kiln::agent::Governor>(static_cast<int>(receiver->second.frequency), limits,
                                                      static_cast<int>(HostCpus()));
  governor_->SetWindow(absl::ToDoubleSeconds(receiver->second.window));
  (*source)->Govern(governor_->decision());
  const std::lock_guard lock(mutex_);
  source_ = *std::move(source);
  governor_status_.level = LevelText(governor_->decision(), receiver->second.frequency);
  governor_status_.since = absl::Now();
  return absl::OkStatus();
}

void Service::StopSource() {
  std::unique_ptr<ProfileSource> source;
  {
    const std::lock_guard lock(mutex_);
    source = std::move(source_);
  }
  if (source == nullptr) return;
  source->Stop();
  counted_ = source->status();
  governor_.reset();
}

Status Service::StartServer(const config::TelemetryConfig& telemetry) {
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

void Service::StopServer() {
  if (server_ != nullptr) server_->Stop();
  served_pages_ = nullptr;
  server_.reset();
  pages_.reset();
}

GovernorLimits Service::LimitsOf(const config::LimitsConfig& limits) {
  const double host_cpus = HostCpus();
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
  if (Status status = Change(loaded_.config, loaded.config); !status.ok()) {
    if (const Status back = Change(loaded.config, loaded_.config); !back.ok()) {
      status = Error(status.code(), "{}; and what was there before could not be restored: {}", Message(status),
                     Message(back));
    }
    NoteReload(false, std::string(Message(status)));
    return status;
  }
  {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(loaded);
  }
  std::string what;
  for (const std::string& line : diff.Describe()) what += (what.empty() ? "" : "; ") + line;
  NoteReload(true, what);
  return absl::OkStatus();
}

Status Service::Change(const config::AgentConfig& from, const config::AgentConfig& to) {
  const config::ConfigDiff diff = config::Diff(from, to);
  if (diff.metrics_address || diff.metrics_level) {
    StopServer();  // the new address may be a part of the old one
    KILN_RETURN_IF_ERROR(StartServer(to.service.telemetry));
    log_.Info("pages", "the pages are served anew", {{"pages", address()}});
  }
  // Before the source: what fails here, a file or a certificate, fails before anything was changed.
  KILN_RETURN_IF_ERROR(exports_.Apply(to));
  KILN_RETURN_IF_ERROR(ChangeSource(from, to, diff));
  if (diff.logs) log_.Configure(SeverityOf(to.service.telemetry.log_level), LogFormatOf(to.service.telemetry));
  if (diff.limits && governor_ != nullptr) governor_->SetLimits(LimitsOf(to.service.limits));
  if (diff.telemetry_resource) process_metrics_.SetTarget(TargetOf(to.service.telemetry));
  return absl::OkStatus();
}

Status Service::ChangeSource(const config::AgentConfig& from, const config::AgentConfig& to,
                             const config::ConfigDiff& diff) {
  const auto* wanted = WantedReceiver(to);
  if (wanted == nullptr) {
    StopSource();
    return absl::OkStatus();
  }
  if (source_ == nullptr || source_->id() != wanted->first ||
      from.service.limits.bpf_memory_mib != to.service.limits.bpf_memory_mib) {
    StopSource();
    return StartSource(to);
  }
  for (const config::ReceiverChange& change : diff.receivers) {
    if (change.id != wanted->first || change.change != config::Change::kChanged) continue;
    if (Status status = source_->Apply(wanted->second, change); !status.ok()) {
      return Annotate(status, fmt::format("receivers.{}", change.id));
    }
    governor_->SetWindow(absl::ToDoubleSeconds(wanted->second.window));
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
  if (source_ != nullptr) {
    for (const std::string& note : source_->naming_notes()) {
      if (told_notes_.insert(note).second) log_.Warn("naming", note);
    }
  }
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
  const double host_cpus = HostCpus();
  const config::LimitsConfig& limits = loaded_.config.service.limits;
  const std::lock_guard lock(mutex_);
  governor_status_.cpu_limit_percent = limits.cpu_percent;
  governor_status_.cpu_percent = 100 * governor_->cpu_cores() / host_cpus;
  governor_status_.memory_limit_bytes = static_cast<uint64_t>(limits.memory_mib) << 20;
  governor_status_.memory_bytes = use.memory_bytes;
  governor_steps_ += governor_->steps() - steps;
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
  StopServer();
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
