// SPDX-License-Identifier: Apache-2.0
// `kiln top` from the first check to the end: the thread that shows. What it shows comes from IntervalQueue; what the
// keys do is in view.h, how it looks in screen.h.
#include "agent/top/top.h"

#include <poll.h>
#include <re2/re2.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <set>

#include "agent/cli/exit_code.h"
#include "agent/cli/terminal.h"
#include "agent/collect/perf_errors.h"
#include "agent/record/progress.h"
#include "agent/record/sampling_setup.h"
#include "agent/record/stop_signals.h"
#include "agent/record/target_watch.h"
#include "agent/session/environment.h"
#include "agent/session/session.h"
#include "agent/top/interval_queue.h"
#include "agent/top/json_line.h"
#include "agent/top/keys.h"
#include "agent/top/plain_output.h"
#include "agent/top/screen.h"
#include "agent/top/terminal_screen.h"
#include "agent/top/view.h"
#include "base/clock.h"

namespace kiln::agent {
namespace {

constexpr const char* kWho = "kiln top";
constexpr absl::Duration kWatchTargets = absl::Milliseconds(250);
// Nobody wants to look at an empty screen for the whole of the first interval.
constexpr absl::Duration kFirstOnScreen = absl::Milliseconds(500);
constexpr absl::Duration kEscapeTime = absl::Milliseconds(100);

int FailWith(const Status& status) { return Fail(kWho, ExitCodeFor(status), Message(status)); }

// What kiln itself used between two readings, its BPF programs included.
class OwnCost {
 public:
  double TakePercent(const SessionStatus& status) {
    const uint64_t now = MonotonicNs();
    const double seconds = OwnCpuSeconds() + static_cast<double>(status.counters[KILN_COUNTER_RUN_NS]) / 1e9;
    const double percent = now > time_ns_ ? 100 * (seconds - seconds_) * 1e9 / static_cast<double>(now - time_ns_) : 0;
    time_ns_ = now;
    seconds_ = seconds;
    return std::max(percent, 0.0);
  }

 private:
  uint64_t time_ns_ = MonotonicNs();
  double seconds_ = OwnCpuSeconds();
};

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Adds to an interval what is known here only.
class Completer {
 public:
  explicit Completer(const TopOptions& options) : target_(options.has_target() ? SamplingTargetText(options) : "") {}

  void Complete(TopInterval& interval, const Session& session) {
    const SessionStatus status = session.status();
    interval.own_cpu_percent = own_.TakePercent(status);
    interval.online_cpus = std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
    interval.host = host_;
    interval.target = target_;
    for (const std::string& note : session.notes()) Add(interval.note, note);
    Add(interval.note, status.error);
  }

 private:
  static void Add(std::string& notes, const std::string& note) {
    if (!note.empty()) notes += (notes.empty() ? "" : "; ") + note;
  }

  OwnCost own_;
  const std::string host_ = HostName();
  const std::string target_;
};

// Where intervals are shown.
class Output {
 public:
  virtual ~Output() = default;
  virtual Status Show(TopInterval interval) = 0;
  // Waits for signals, keys or an interval in `queue`, at most `timeout`, and follows the first two. True = end.
  virtual StatusOr<bool> Wait(const IntervalQueue& queue, absl::Duration timeout) = 0;
};

// Blocks of text, or lines of JSON.
class PlainOutput : public Output {
 public:
  PlainOutput(const TopOptions& options, StopSignals& signals)
      : options_(options), signals_(signals), view_(ViewFor(options)) {}

  Status Show(TopInterval interval) override {
    // stdout is for the tables.
    if (!interval.note.empty() && told_.insert(interval.note).second) spdlog::warn("{}", HarmlessText(interval.note));
    const size_t lines = options_.lines.value_or(TopOptions::kDefaultLines);
    std::string text;
    if (options_.json) {
      text = RenderJsonLine(interval, view_, lines);
    } else {
      if (shown_) text = "\n";
      text += RenderBlock(interval, view_, TerminalWidth(STDOUT_FILENO), absl::LocalTimeZone(), lines);
    }
    shown_ = true;
    return WriteUnlessStopped(STDOUT_FILENO, text, signals_);
  }
  bool has_shown() const { return shown_; }

  StatusOr<bool> Wait(const IntervalQueue& queue, absl::Duration timeout) override {
    std::array<pollfd, 2> polls{
        {{.fd = signals_.fd(), .events = POLLIN, .revents = 0}, {.fd = queue.fd(), .events = POLLIN, .revents = 0}}};
    (void)::poll(polls.data(), polls.size(), static_cast<int>(absl::ToInt64Milliseconds(timeout)) + 1);
    signals_.Wait(absl::ZeroDuration());
    return signals_.interrupts() > 0 || signals_.terminated();
  }

 private:
  const TopOptions& options_;
  StopSignals& signals_;
  const TopView view_;
  bool shown_ = false;
  std::set<std::string> told_;  // notes
};

// The terminal.
class ScreenOutput : public Output {
 public:
  ScreenOutput(const TopOptions& options, StopSignals& signals)
      : signals_(signals),
        screen_(STDIN_FILENO, STDOUT_FILENO),
        view_(ViewFor(options)),
        most_lines_(options.lines.value_or(std::numeric_limits<size_t>::max())) {}

  Status Enter() {
    KILN_RETURN_IF_ERROR(screen_.Enter());
    return Paint();
  }

  Status Show(TopInterval interval) override {
    newest_ = std::move(interval);
    if (view_.is_paused) return absl::OkStatus();
    shown_ = std::move(newest_);
    newest_.reset();
    return Paint();
  }

  StatusOr<bool> Wait(const IntervalQueue& queue, absl::Duration timeout) override {
    if (keys_.is_waiting()) timeout = std::min(timeout, kEscapeTime);
    std::array<pollfd, 3> polls{{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                 {.fd = queue.fd(), .events = POLLIN, .revents = 0},
                                 {.fd = screen_.has_keys() ? screen_.input() : -1, .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(polls.data(), polls.size(), static_cast<int>(absl::ToInt64Milliseconds(timeout)) + 1);
    signals_.Wait(absl::ZeroDuration());
    if (signals_.interrupts() > 0 || signals_.terminated() || signals_.Take(SIGQUIT)) return true;
    KILN_RETURN_IF_ERROR(FollowTerminalSignals());
    if ((polls[2].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return true;  // the terminal is gone
    if ((polls[2].revents & POLLIN) != 0) {
      KILN_ASSIGN_OR_RETURN(const std::string bytes, screen_.ReadKeys());
      return FollowKeys(keys_.Feed(bytes));
    }
    return ready == 0 ? FollowKeys(keys_.Flush()) : false;
  }

  void Leave() { screen_.Leave(); }

 private:
  Status FollowTerminalSignals() {
    if (signals_.Take(SIGTSTP)) {
      screen_.Leave();
      ::kill(::getpid(), SIGSTOP);
    }
    // Whoever stopped this program may have left the terminal otherwise.
    if (signals_.Take(SIGCONT)) return Enter();
    return signals_.Take(SIGWINCH) ? Paint() : absl::OkStatus();
  }

  StatusOr<bool> FollowKeys(const std::vector<Key>& keys) {
    bool repaints = false;
    for (const Key& key : keys) {
      const KeyEffect effect = ApplyKey(key, view_);
      if (effect == KeyEffect::kQuit) return true;
      repaints = repaints || effect == KeyEffect::kRedraw;
    }
    if (!view_.is_paused && newest_) {
      shown_ = std::move(newest_);
      newest_.reset();
    }
    if (repaints) KILN_RETURN_IF_ERROR(Paint());
    return false;
  }

  Status Paint() {
    const ScreenSize size = screen_.Size();
    return screen_.Write(
        PaintScreen(RenderScreen(shown_ ? &*shown_ : nullptr, view_, size, time_zone_, most_lines_), size));
  }

  StopSignals& signals_;
  TerminalScreen screen_;
  TopView view_;
  const size_t most_lines_;
  const absl::TimeZone time_zone_ = absl::LocalTimeZone();
  KeyParser keys_;
  std::optional<TopInterval> shown_;
  std::optional<TopInterval> newest_;  // that came in a pause
};

enum class Ending : uint8_t { kAsked, kTime, kTargetsEnded, kOnce };

// Shows intervals until something ends it.
StatusOr<Ending> ShowIntervals(const TopOptions& options, Session& session, IntervalQueue& queue, Completer& completer,
                               Output& output) {
  TargetWatch targets(options.pids);
  const uint64_t start_ns = MonotonicNs();
  for (;;) {
    absl::Duration wait = options.pids.empty() ? absl::Seconds(3600) : kWatchTargets;
    if (options.duration) {
      const absl::Duration left = *options.duration - absl::Nanoseconds(static_cast<int64_t>(MonotonicNs() - start_ns));
      if (left <= absl::ZeroDuration()) return Ending::kTime;
      wait = std::min(wait, left);
    }
    KILN_ASSIGN_OR_RETURN(const bool asked, output.Wait(queue, wait));
    if (asked) return Ending::kAsked;
    while (std::optional<TopInterval> interval = queue.Take()) {
      session.SetWindow(static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.interval)));  // from the second on
      completer.Complete(*interval, session);
      KILN_RETURN_IF_ERROR(output.Show(*std::move(interval)));
      if (options.once) return Ending::kOnce;
    }
    if (!options.pids.empty() && !targets.AnyAlive()) return Ending::kTargetsEnded;
  }
}

// The last interval was ended by something else than its time. Whether it is worth a block of its own.
bool IsWorthShowing(const TopOptions& options, Ending ending, const TopInterval& interval, bool is_first) {
  if (ending == Ending::kOnce) return false;
  if (ending == Ending::kAsked) return options.once && is_first;
  return is_first || (ending == Ending::kTargetsEnded && TotalsOf(interval.profile).samples > 0) ||
         absl::Nanoseconds(interval.profile.duration_nano) >= options.interval / 2;
}

bool UsesScreen(const TopOptions& options) {
  const char* terminal = std::getenv("TERM");
  const bool can_move = terminal != nullptr && *terminal != '\0' && std::string_view(terminal) != "dumb";
  return !options.once && !options.json && can_move && ::isatty(STDOUT_FILENO) == 1;
}

int Finish(const StatusOr<Ending>& ending, const TopOptions& options) {
  if (!ending.ok()) {
    // A signal while nobody read what was written: as good an end as any.
    return absl::IsCancelled(ending.status()) ? 0 : FailWith(ending.status());
  }
  if (*ending == Ending::kTargetsEnded) {
    fmt::print(stderr, "{}: {} ended\n", kWho,
               options.pids.size() == 1 ? fmt::format("process {} has", options.pids.front())
                                        : std::string("all processes have"));
  }
  return 0;
}

}  // namespace

int RunTop(const TopOptions& options) {
  if (Status status = CheckFrequency(options.frequency_hz); !status.ok()) return FailWith(status);
  if (Status status = CheckPidNamespace(); !status.ok()) return FailWith(status);
  if (Status status = CheckPrivileges(); !status.ok()) return FailWith(status);
  const std::unique_ptr<const RE2> comm_regex = CompileCommRegex(options);
  const bool uses_screen = UsesScreen(options);
  // Before any thread starts, so that all inherit it.
  const auto debuginfod = StartDebuginfod(options);
  if (!debuginfod.ok()) return FailWith(debuginfod.status());
  auto signals = uses_screen ? StopSignals::Block({SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH}) : StopSignals::Block();
  if (!signals.ok()) return FailWith(signals.status());
  RaiseOpenFileLimit();

  auto queue = IntervalQueue::Make();
  if (!queue.ok()) return FailWith(queue.status());
  IntervalMaker maker(**queue, std::make_shared<LineIndexes>(SamplingIndexOptions(options, debuginfod->get())));
  SessionOptions session_options = SamplingSessionOptions(options, comm_regex.get());
  session_options.sampler.measures_cost = true;
  session_options.windows = &maker;
  const absl::Duration first = uses_screen ? std::min(options.interval, kFirstOnScreen) : options.interval;
  session_options.window_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(first));
  auto started = Session::Start(session_options);
  if (!started.ok()) return FailWith(started.status());
  Session& session = **started;

  Completer completer(options);
  if (uses_screen) {
    ScreenOutput output(options, *signals);
    StatusOr<Ending> ending = Ending::kAsked;
    if (Status entered = output.Enter(); !entered.ok()) {
      ending = entered;
    } else {
      ending = ShowIntervals(options, session, **queue, completer, output);
    }
    output.Leave();  // before what may take a moment, and before anything is told
    if (Status status = session.Stop(); !status.ok()) spdlog::warn("{}", Message(status));
    maker.Finish();
    return Finish(ending, options);
  }

  PlainOutput output(options, *signals);
  const StatusOr<Ending> ending = ShowIntervals(options, session, **queue, completer, output);
  if (Status status = session.Stop(); !status.ok()) spdlog::warn("{}", Message(status));
  maker.Finish();
  while (std::optional<TopInterval> rest = (*queue)->Take()) {
    if (!ending.ok() || !IsWorthShowing(options, *ending, *rest, !output.has_shown())) continue;
    completer.Complete(*rest, session);
    if (Status status = output.Show(*std::move(rest)); !status.ok()) return Finish(status, options);
  }
  return Finish(ending, options);
}

}  // namespace kiln::agent
