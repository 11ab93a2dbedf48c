// SPDX-License-Identifier: Apache-2.0
// `kiln agent` around its Service: the configuration's files, signals, the service manager, and the loop that turns
// once a second.
#include "agent/daemon/daemon.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "agent/cli/exit_code.h"
#include "agent/config/load.h"
#include "agent/config/render.h"
#include "agent/config/watch.h"
#include "agent/daemon/service.h"
#include "agent/session/environment.h"
#include "agent/telemetry/sd_notify.h"
#include "base/clock.h"
#include "base/fd.h"

extern char** environ;  // unistd.h

namespace kiln::agent {
namespace {

constexpr const char* kWho = "kiln agent";
constexpr uint64_t kTickNs = 1'000'000'000;
// For the last attempts to send: below what systemd (90 s) and Kubernetes (30 s) allow for a stop.
constexpr absl::Duration kStopGrace = absl::Seconds(10);

config::LoadResult Load(const AgentOptions& options) {
  return config::LoadConfig(options.configs, config::EnvironmentOf(environ));
}

LogSettings LogSettingsOf(const config::TelemetryConfig& telemetry) {
  LogSettings settings;
  settings.format = LogFormatOf(telemetry);
  settings.journal = GoesToJournal(std::getenv("JOURNAL_STREAM"), STDERR_FILENO);
  return settings;
}

// Signals that the loop waits for; blocked before any thread starts.
StatusOr<UniqueFd> OpenSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, number);
  if (::pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) return ErrnoError(errno, "cannot block signals");
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoError(errno, "cannot wait for signals");
  return fd;
}

class Loop {
 public:
  Loop(const AgentOptions& options, Service& service, AgentLog& log, const ServiceNotifier& notifier, int signals,
       config::ConfigWatcher* watcher)
      : options_(options), service_(service), log_(log), notifier_(notifier), signals_(signals), watcher_(watcher) {}

  // Returns when the agent is to stop.
  void Run() {
    while (!stop_) {
      Wait();
      TakeSignals();
      const uint64_t now = MonotonicNs();
      if (watcher_ != nullptr && watcher_->Changed(static_cast<int64_t>(now))) reload_ = true;
      if (std::exchange(reload_, false) && !stop_) Reload();
      if (now >= next_tick_ns_) {
        next_tick_ns_ = now + kTickNs;
        service_.Tick();
        TellManager(now);
      }
    }
  }

 private:
  void Wait() {
    const uint64_t now = MonotonicNs();
    uint64_t until = next_tick_ns_;
    if (watcher_ != nullptr) {
      if (const auto deadline = watcher_->deadline_ns()) until = std::min(until, static_cast<uint64_t>(*deadline));
    }
    pollfd fds[] = {{.fd = signals_, .events = POLLIN, .revents = 0},
                    {.fd = watcher_ == nullptr ? -1 : watcher_->fd(), .events = POLLIN, .revents = 0}};
    const uint64_t wait_ms = until > now ? (until - now) / 1'000'000 + 1 : 0;
    if (::poll(fds, 2, static_cast<int>(wait_ms)) > 0 && (fds[1].revents & POLLIN) != 0) {
      watcher_->OnReadable(static_cast<int64_t>(MonotonicNs()));
    }
  }

  void TakeSignals() {
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
      if (info.ssi_signo == SIGHUP) {
        reload_ = true;
      } else {
        stop_ = true;
      }
    }
  }

  void Reload() {
    (void)notifier_.Reloading(MonotonicNs());
    if (watcher_ != nullptr) watcher_->NoteRead();
    config::LoadResult loaded = Load(options_);
    if (watcher_ != nullptr) watcher_->SetPaths(loaded.files);
    for (const config::Diagnostic& warning : loaded.warnings) log_.Warn("config", warning.Text());
    if (!loaded.ok()) {
      for (const config::Diagnostic& error : loaded.errors) log_.Error("config", error.Text());
      log_.Error("config.refused", "the configuration that was in force stays: the new one has errors",
                 {{"errors", static_cast<int64_t>(loaded.errors.size())}});
      service_.NoteFailedReload(config::RenderErrors(loaded));
    } else if (const Status status = service_.Reload(std::move(loaded)); !status.ok()) {
      log_.Error("config.refused", fmt::format("the configuration that was in force stays: {}", Message(status)));
    } else {
      log_.Info("config.reloaded", service_.LastReload());
    }
    (void)notifier_.Ready(service_.OneLine());
  }

  void TellManager(uint64_t now) {
    if (!notifier_.enabled()) return;
    (void)notifier_.Watchdog();
    if (now < next_status_ns_) return;
    next_status_ns_ = now + 10 * kTickNs;
    (void)notifier_.SetStatus(service_.OneLine());
  }

  const AgentOptions& options_;
  Service& service_;
  AgentLog& log_;
  const ServiceNotifier& notifier_;
  const int signals_;
  config::ConfigWatcher* const watcher_;
  uint64_t next_tick_ns_ = 0;
  uint64_t next_status_ns_ = 0;
  bool reload_ = false;
  bool stop_ = false;
};

// From here on a further signal ends the process as it would without us.
void RestoreSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM}) ::sigaddset(&signals, number);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int Serve(const AgentOptions& options, config::LoadResult loaded) {
  auto signals = OpenSignals();
  if (!signals.ok()) return Fail(kWho, ExitCode::kSoftware, Message(signals.status()));
  RaiseOpenFileLimit();
  // What threads free in arenas of their own goes back to the system too late, or never.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  AgentLog log(LogSettingsOf(loaded.config.service.telemetry));
  log.TakeOverSpdlog();
  for (const config::Diagnostic& warning : loaded.warnings) log.Warn("config", warning.Text());
  const ServiceNotifier notifier([](const char* name) -> const char* { return std::getenv(name); });
  std::unique_ptr<config::ConfigWatcher> watcher;
  if (!options.configs.empty()) {
    auto created = config::ConfigWatcher::Create(loaded.files);
    if (created.ok()) {
      watcher = *std::move(created);
    } else {
      log.Warn("config",
               fmt::format("changes of the configuration are read on SIGHUP only: {}", Message(created.status())));
    }
  }

  Service service(std::move(loaded), log);
  if (const Status status = service.Start(); !status.ok()) {
    log.Error("start", std::string(Message(status)));
    service.Stop(absl::ZeroDuration());
    return static_cast<int>(ExitCodeFor(status));
  }
  log.Info("started", fmt::format("kiln {} is {}", KILN_VERSION, service.OneLine()), {{"pages", service.address()}});
  (void)notifier.Ready(service.OneLine());
  Loop(options, service, log, notifier, signals->get(), watcher.get()).Run();

  log.Info("stopping", "sending what is left");
  (void)notifier.Stopping();
  RestoreSignals();
  service.Stop(kStopGrace);
  log.ReportSuppressed(true);
  log.Info("stopped", service.OneLine());
  return 0;
}

}  // namespace

int RunAgent(const AgentOptions& options) {
  config::LoadResult loaded = Load(options);
  if (!loaded.ok() || options.validate) std::fputs(config::RenderErrors(loaded).c_str(), stderr);
  if (!loaded.ok()) return static_cast<int>(ExitCode::kConfig);
  if (options.print_config) std::fputs(config::RenderConfig(loaded).c_str(), stdout);
  if (options.validate || options.print_config) return 0;
  if (const Status status = CheckPidNamespace(); !status.ok()) {
    return Fail(kWho, ExitCodeFor(status), Message(status));
  }
  return Serve(options, std::move(loaded));
}

}  // namespace kiln::agent
