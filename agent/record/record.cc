// SPDX-License-Identifier: Apache-2.0
// `kiln record` from the first check to the last line. Everything that can be refused is refused before the first
// sample; once recording has begun, whatever ends it, the files are written, except after a second Ctrl-C.
#include "agent/record/record.h"

#include <re2/re2.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "agent/cli/exit_code.h"
#include "agent/cli/profile_files.h"
#include "agent/cli/report_summary.h"
#include "agent/cli/report_table.h"
#include "agent/cli/terminal.h"
#include "agent/collect/perf_errors.h"
#include "agent/flush/profile_writer.h"
#include "agent/record/command.h"
#include "agent/record/progress.h"
#include "agent/record/sampling_setup.h"
#include "agent/record/statistics.h"
#include "agent/record/stop_signals.h"
#include "agent/record/target_watch.h"
#include "agent/session/environment.h"
#include "agent/session/session.h"
#include "base/clock.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr const char* kWho = "kiln record";
constexpr absl::Duration kProgressInterval = absl::Milliseconds(250);

int FailWith(const Status& status) { return Fail(kWho, ExitCodeFor(status), Message(status)); }

SessionOptions SessionOptionsFor(const RecordOptions& options, const RE2* comm_regex) {
  SessionOptions session = SamplingSessionOptions(options, comm_regex);
  session.sampler.event = options.event == "cycles" ? SamplerEvent::kCycles : SamplerEvent::kCpuClock;
  session.sampler.filter_pids = !options.pids.empty() || (!options.command.empty() && !options.all);
  return session;
}

std::string JoinArguments(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) text += (text.empty() ? "" : " ") + argument;
  return text;
}

std::string TargetText(const RecordOptions& options) {
  if (!options.command.empty()) return (options.all ? "the whole host while running " : "") + options.command.front();
  return SamplingTargetText(options);
}

// Why the recording ended, and with what.
struct Ending {
  std::optional<int> command_status;  // as waitpid gives it
  bool aborted = false;               // second Ctrl-C
};

// The main thread's part while samples come: signals, the command, the clock, the progress line.
class Waiter {
 public:
  Waiter(const RecordOptions& options, Session& session, StopSignals& signals, Command* command)
      : options_(options), session_(session), signals_(signals), command_(command) {}

  Ending Wait() {
    const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
    Ending ending;
    for (;;) {
      const absl::Duration elapsed = absl::Nanoseconds(static_cast<int64_t>(MonotonicNs() - start_ns_));
      if (shows_progress) PrintProgress(elapsed);
      absl::Duration wait = kProgressInterval;
      if (options_.duration) wait = std::min(wait, *options_.duration - elapsed);
      if (wait <= absl::ZeroDuration()) break;
      signals_.Wait(wait);
      if (command_ != nullptr) ending.command_status = command_->TryWait();
      if (ending.command_status) break;
      if (signals_.interrupts() >= 2) {
        ending.aborted = true;
        break;
      }
      // The terminal sent Ctrl-C to the command as well: it decides itself when it is done.
      if (signals_.interrupts() == 1 && command_ == nullptr) break;
      if (signals_.terminated()) break;
      if (command_ == nullptr && !options_.pids.empty() && !targets_.AnyAlive()) break;
    }
    if (shows_progress) std::fputs("\r\x1b[K", stderr);
    return ending;
  }

 private:
  void PrintProgress(absl::Duration elapsed) {
    const double cpu = OwnCpuSeconds();
    const uint64_t now = MonotonicNs();
    // Over the last second or so, else the start-up would show for ever.
    if (now - cpu_time_ns_ > 1'000'000'000) {
      cpu_percent_ = 100 * (cpu - cpu_seconds_) * 1e9 / static_cast<double>(now - cpu_time_ns_);
      cpu_seconds_ = cpu;
      cpu_time_ns_ = now;
    }
    std::string line = RenderProgress({.elapsed = elapsed,
                                       .limit = options_.duration,
                                       .counts = session_.Snapshot(),
                                       .own_cpu_percent = cpu_percent_});
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      line.resize(std::min<size_t>(line.size(), size.ws_col - 1));
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    std::fflush(stderr);
  }

  const RecordOptions& options_;
  Session& session_;
  StopSignals& signals_;
  Command* command_;
  TargetWatch targets_{options_.pids};
  uint64_t start_ns_ = MonotonicNs();
  uint64_t cpu_time_ns_ = start_ns_;
  double cpu_seconds_ = OwnCpuSeconds();
  double cpu_percent_ = 0;
};

ProfileFacts FactsOf(const RecordOptions& options, const Session& session, const Window& window) {
  ProfileFacts facts{.texts = {}, .numbers = window.losses};
  facts.numbers.emplace_back("kiln.unwind.memory_bytes", session.unwinder().memory().chunk_bytes());
  facts.numbers.emplace_back("kiln.unwind.evictions", session.unwinder().table_counts().evicted_pages);
  utsname system{};
  ::uname(&system);
  facts.texts = {{"kiln.version", KILN_VERSION},
                 {"kiln.host", system.nodename},
                 {"kiln.kernel", fmt::format("{} {}", system.release, system.machine)},
                 {"kiln.event", options.event},
                 {"kiln.target", TargetText(options)}};
  if (!options.command.empty()) facts.texts.emplace_back("kiln.command", JoinArguments(options.command));
  return facts;
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

uint64_t FileBytes(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

size_t TerminalWidth() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// Table, summary, files; to stdout, unless a profile goes there.
void PrintReport(const profile::Profile& profile, const RecordOptions& options, const std::vector<std::string>& notes) {
  FILE* out = std::ranges::find(options.outputs, "/dev/stdout") == options.outputs.end() ? stdout : stderr;
  const size_t width = TerminalWidth();
  const std::string text =
      RenderFunctionTable(profile, {.rows = 15, .width = width}) + "\n" + RenderProfileSummary(profile, width);
  std::fputs(text.c_str(), out);
  for (const std::string& note : notes) std::fprintf(out, "note      %s\n", note.c_str());
  for (const std::string& path : options.outputs) {
    std::fprintf(out, "wrote     %s (%s)\n", path.c_str(), HumanBytes(FileBytes(path)).c_str());
  }
  const auto page =
      std::ranges::find_if(options.outputs, [](const std::string& path) { return path.ends_with(".html"); });
  const auto pprof =
      std::ranges::find_if(options.outputs, [](const std::string& path) { return path.ends_with(".pb.gz"); });
  if (page != options.outputs.end()) {
    std::fprintf(out, "open      the page %s in a browser%s\n", page->c_str(),
                 pprof == options.outputs.end() ? "" : fmt::format(", or: kiln view {}", *pprof).c_str());
  }
}

// Debug information that nobody has read before takes a second per 100 MB. Ctrl-C does without the rest.
bool AwaitIndexes(Namer& namer, const Window& window, const LineIndexes& indexes, StopSignals& signals) {
  constexpr absl::Duration kLongest = absl::Minutes(1);
  constexpr absl::Duration kQuiet = absl::Milliseconds(500);
  const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
  const absl::Time start = absl::Now();
  const int before = signals.interrupts();
  bool shown = false;
  const bool all = namer.AwaitIndexes(window, kLongest, [&] {
    signals.Wait(absl::ZeroDuration());
    if (const std::string now = indexes.status().now; shows_progress && !now.empty() && absl::Now() - start > kQuiet) {
      std::fprintf(stderr, "\rreading debug information of %s\x1b[K", HarmlessText(now).c_str());
      shown = true;
    }
    return signals.interrupts() > before || signals.terminated();
  });
  if (shown) std::fputs("\r\x1b[K", stderr);
  return all;
}

// What of the debug information could not be used, for the user.
std::vector<std::string> IndexNotes(const LineIndexes& indexes, bool all_read) {
  const LineIndexes::Status status = indexes.status();
  std::vector<std::string> notes;
  for (const std::string& problem : status.problems) {
    notes.push_back(fmt::format("no lines of {}", HarmlessText(problem)));
  }
  if (!all_read)
    notes.push_back("not all debug information was read: lines are missing; another recording goes on with it");
  return notes;
}

std::string NoSampleSentence(const RecordOptions& options) {
  if (!options.comm_regex.empty()) {
    return fmt::format("no sample was taken: no running thread had a name that matches {}", options.comm_regex);
  }
  return fmt::format("no sample was taken: {} used no CPU while recording; record longer (-d) or faster (-F)",
                     TargetText(options));
}

}  // namespace

int RunRecord(const RecordOptions& options) {
  if (Status status = CheckFrequency(options.frequency_hz); !status.ok()) return FailWith(status);
  if (Status status = CheckPidNamespace(); !status.ok()) return FailWith(status);
  if (Status status = CheckPrivileges(); !status.ok()) return FailWith(status);
  const std::unique_ptr<const RE2> comm_regex = CompileCommRegex(options);

  const auto debuginfod = StartDebuginfod(options);  // before any thread starts: it sets variables of the environment
  if (!debuginfod.ok()) return FailWith(debuginfod.status());
  auto signals = StopSignals::Block();  // before any thread starts, so that all inherit it
  if (!signals.ok()) return FailWith(signals.status());
  SessionOptions session_options = SessionOptionsFor(options, comm_regex.get());
  std::optional<Command> command;
  if (!options.command.empty()) {
    auto forked = Command::Fork(options.command, signals->previous_mask());
    if (!forked.ok()) return FailWith(forked.status());
    command.emplace(*std::move(forked));
    session_options.command = command->pid();
    if (!options.all) session_options.targets.push_back(command->pid());
  }
  RaiseOpenFileLimit();  // after the fork: it is no business of the command's

  auto started = Session::Start(session_options);
  if (!started.ok()) return FailWith(started.status());
  Session& session = **started;
  for (const std::string& note : session.notes()) spdlog::warn("{}", note);
  const double cpu_before = OwnCpuSeconds();
  const double tables_before = session.unwinder().worker_cpu_seconds();
  const uint64_t start_ns = MonotonicNs();
  if (command) {
    if (Status status = command->Release(); !status.ok()) {
      return Fail(kWho, ExitCodeFor(status), Message(status));
    }
  }
  if (::isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "recording %s at %d Hz%s\n", TargetText(options).c_str(), options.frequency_hz,
                 options.duration || command ? "" : "; Ctrl-C ends and writes");
  }

  Ending ending = Waiter(options, session, *signals, command ? &*command : nullptr).Wait();
  if (ending.aborted) return 128 + SIGINT;
  const int64_t duration_ns = static_cast<int64_t>(MonotonicNs() - start_ns);
  if (Status status = session.Stop(); !status.ok()) spdlog::warn("{}", Message(status));
  // Ended by -d or a signal before the command did: it is ours, so it ends too.
  const bool ended_early = command && !ending.command_status;
  if (ended_early) command->Terminate();

  Costs costs{.elapsed_seconds = static_cast<double>(duration_ns) / 1e9};
  costs.own_cpu_seconds = OwnCpuSeconds() - cpu_before;
  costs.table_seconds = session.unwinder().worker_cpu_seconds() - tables_before;
  const int command_exit = ending.command_status ? ShellExitCode(*ending.command_status) : 0;
  if (session.aggregator().samples() == 0) {
    const int failed = Fail(kWho, ExitCode::kUnavailable, NoSampleSentence(options));
    return command_exit != 0 ? command_exit : failed;
  }

  double before = ThreadCpuSeconds();
  const std::unique_ptr<const Window> window = session.TakeWindow();
  LineIndexes indexes(SamplingIndexOptions(options, debuginfod->get()));
  Namer namer(Namer::kDefaultCacheBytes, &indexes);
  const bool all_read = AwaitIndexes(namer, *window, indexes, *signals);
  NamingCounts naming;
  const profile::Profile profile = MakeProfile(*window, namer, FactsOf(options, session, *window), naming);
  costs.name_seconds = ThreadCpuSeconds() - before;
  before = ThreadCpuSeconds();
  int exit_code = command_exit;
  for (const std::string& path : options.outputs) {
    if (Status status = WriteProfileFile(profile, path); !status.ok()) {
      exit_code = Fail(kWho, ExitCode::kIoError, Message(status));
    }
  }
  costs.encode_seconds = ThreadCpuSeconds() - before;
  if (!options.stats_file.empty()) {
    if (Status status = WriteFileAtomically(options.stats_file,
                                            RenderStatistics(session, *window, costs, naming, indexes.status()));
        !status.ok()) {
      exit_code = Fail(kWho, ExitCode::kIoError, Message(status));
    }
  }
  std::vector<std::string> notes = namer.notes();
  for (std::string& note : IndexNotes(indexes, all_read)) notes.push_back(std::move(note));
  PrintReport(profile, options, notes);
  return exit_code;
}

}  // namespace kiln::agent
