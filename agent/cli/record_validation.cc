// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/record_validation.h"

#include <absl/strings/numbers.h>
#include <re2/re2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <optional>

#include "agent/cli/profile_files.h"
#include "agent/cli/values.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

using MaybeFailure = std::optional<Failure>;

template <typename... Args>
Failure Fault(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

Failure Usage(const Status& status) { return {ExitCode::kUsage, std::string(Message(status))}; }

// The number behind "Tgid:" in /proc/PID/status; nullopt if there is no such process any more.
std::optional<int> ThreadGroupOf(const std::string& proc_root, int pid) {
  const StatusOr<std::string> status = ReadFile(fmt::format("{}/{}/status", proc_root, pid), 1 << 16);
  if (!status.ok()) return std::nullopt;
  const std::string_view text = *status;
  const size_t at = text.find("\nTgid:");
  if (at == std::string_view::npos) return std::nullopt;
  const size_t end = text.find('\n', at + 1);
  const std::string value(text.substr(at + 6, end == std::string_view::npos ? end : end - at - 6));
  int group = 0;
  if (!absl::SimpleAtoi(value, &group)) return std::nullopt;
  return group;
}

MaybeFailure TakePids(const std::vector<std::string>& lists, const std::string& proc_root, std::vector<int>& out) {
  for (const std::string& list : lists) {
    size_t from = 0;
    while (from <= list.size()) {
      const size_t to = std::min(list.find(',', from), list.size());
      const auto pid =
          ParseWholeNumber("--pid", std::string_view(list).substr(from, to - from), 1, std::numeric_limits<int>::max());
      if (!pid.ok()) return Usage(pid.status());
      const int number = static_cast<int>(*pid);
      const std::optional<int> group = ThreadGroupOf(proc_root, number);
      if (!group) {
        return Fault(ExitCode::kNoInput,
                     "there is no process {}: give the pid of a running one (pgrep finds it by name)", number);
      }
      if (*group != number) {
        return Fault(ExitCode::kNoInput, "{} is a thread of process {}: give --pid {}", number, *group, *group);
      }
      if (std::find(out.begin(), out.end(), number) == out.end()) out.push_back(number);
      from = to + 1;
    }
  }
  return std::nullopt;
}

MaybeFailure CheckComm(const std::string& regex) {
  RE2::Options quiet;
  quiet.set_log_errors(false);
  const RE2 compiled(regex, quiet);
  if (compiled.ok()) return std::nullopt;
  return Fault(ExitCode::kUsage, "--comm is '{}', which is no regular expression: {}", regex, compiled.error());
}

MaybeFailure TakeCgroups(const std::vector<std::string>& paths, std::vector<std::string>& out) {
  for (const std::string& path : paths) {
    std::error_code error;
    const std::filesystem::path full = std::filesystem::canonical(path, error);
    if (error || !std::filesystem::is_directory(full, error)) {
      return Fault(ExitCode::kNoInput, "there is no cgroup folder '{}': give one such as /sys/fs/cgroup/system.slice",
                   path);
    }
    if (!std::filesystem::exists(full / "cgroup.procs", error)) {
      return Fault(ExitCode::kNoInput,
                   "'{}' is a folder but no cgroup (it has no cgroup.procs): give one such as "
                   "/sys/fs/cgroup/system.slice",
                   path);
    }
    if (std::find(out.begin(), out.end(), full.string()) == out.end()) out.push_back(full.string());
  }
  return std::nullopt;
}

// Which targets go together; see RecordOptions.
MaybeFailure CheckTargets(const RecordArguments& arguments) {
  if (!arguments.stray.empty()) {
    return Fault(ExitCode::kUsage, "'{}' is no option: put -- before a command, as in kiln record -- {}",
                 arguments.stray.front(), arguments.stray.front());
  }
  if (arguments.has_separator && (arguments.command.empty() || arguments.command.front().empty())) {
    return Fault(ExitCode::kUsage, "there is no command behind --: name a program or leave -- out");
  }
  std::string_view filter;
  if (!arguments.pids.empty()) filter = "--pid";
  if (!arguments.comm.empty()) filter = "--comm";
  if (!arguments.cgroups.empty()) filter = "--cgroup";
  if (filter.empty()) return std::nullopt;
  if (!arguments.command.empty()) {
    return Fault(ExitCode::kUsage,
                 "{} and a command exclude each other: a command is recorded with its own children, "
                 "or with --all together with the whole host",
                 filter);
  }
  if (arguments.all) {
    return Fault(ExitCode::kUsage, "{} and --all exclude each other: leave one of them out", filter);
  }
  return std::nullopt;
}

MaybeFailure CheckOutputs(const std::vector<std::string>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (FormatOfPath(outputs[i]) == nullptr) {
      return Fault(ExitCode::kUsage, "--output is '{}': end the name with one of {}", outputs[i], KnownSuffixes());
    }
    if (std::find(outputs.begin(), outputs.begin() + static_cast<ptrdiff_t>(i), outputs[i]) !=
        outputs.begin() + static_cast<ptrdiff_t>(i)) {
      return Fault(ExitCode::kUsage, "--output names '{}' twice: leave one of them out", outputs[i]);
    }
    if (const Status writable = CheckWritable(outputs[i]); !writable.ok()) {
      return Fault(ExitCode::kCantCreate, "{}: choose another place with --output", Message(writable));
    }
  }
  return std::nullopt;
}

MaybeFailure CheckStatsFile(const RecordOptions& options) {
  if (options.stats_file.empty()) return std::nullopt;
  if (std::find(options.outputs.begin(), options.outputs.end(), options.stats_file) != options.outputs.end()) {
    return Fault(ExitCode::kUsage, "--stats and --output both name '{}': give each a file of its own",
                 options.stats_file);
  }
  if (const Status writable = CheckWritable(options.stats_file); !writable.ok()) {
    return Fault(ExitCode::kCantCreate, "{}: choose another place with --stats", Message(writable));
  }
  return std::nullopt;
}

}  // namespace

RecordEnvironment HostEnvironment() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
  return {.host_name = name.data(), .now = absl::Now(), .time_zone = absl::LocalTimeZone()};
}

std::vector<std::string> DefaultOutputs(std::string_view host_name, absl::Time now, absl::TimeZone time_zone) {
  std::string host(host_name.empty() ? "host" : host_name);
  for (char& c : host) {
    const bool usual = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_';
    if (!usual) c = '-';
  }
  const std::string base = "kiln-" + host + "-" + absl::FormatTime("%Y%m%d-%H%M%S", now, time_zone);
  return {base + ".pb.gz", base + ".html"};
}

std::variant<RecordOptions, Failure> ValidateRecordOptions(const RecordArguments& arguments, int verbose,
                                                           const RecordEnvironment& environment) {
  RecordOptions options{.comm_regex = arguments.comm,
                        .all = arguments.all,
                        .command = arguments.command,
                        .event = arguments.event,
                        .no_kernel = arguments.no_kernel,
                        .outputs = arguments.outputs,
                        .unwind_cache = arguments.unwind_cache,
                        .stats_file = arguments.stats,
                        .verbose = verbose};
  if (auto failure = CheckTargets(arguments)) return *failure;
  const auto frequency = ParseWholeNumber("--frequency", arguments.frequency, 1, 10'000);
  if (!frequency.ok()) return Usage(frequency.status());
  options.frequency_hz = static_cast<int>(*frequency);
  const auto memory = ParseBytes("--unwind-memory", arguments.unwind_memory, 4 << 20, 1 << 30);
  if (!memory.ok()) return Usage(memory.status());
  options.unwind_memory_bytes = *memory;
  if (options.event != "cpu-clock" && options.event != "cycles") {
    return Fault(ExitCode::kUsage, "--event is '{}': give cpu-clock or cycles", options.event);
  }
  if (!arguments.duration.empty()) {
    const auto duration = ParseDuration("--duration", arguments.duration);
    if (!duration.ok()) return Usage(duration.status());
    options.duration = *duration;
  }
  if (auto failure = CheckComm(arguments.comm)) return *failure;
  if (auto failure = TakePids(arguments.pids, environment.proc_root, options.pids)) return *failure;
  if (auto failure = TakeCgroups(arguments.cgroups, options.cgroups)) return *failure;
  if (options.outputs.empty()) {
    options.outputs = DefaultOutputs(environment.host_name, environment.now, environment.time_zone);
  }
  if (auto failure = CheckOutputs(options.outputs)) return *failure;
  if (auto failure = CheckStatsFile(options)) return *failure;
  if (options.pids.empty() && options.comm_regex.empty() && options.cgroups.empty() && options.command.empty()) {
    options.all = true;
  }
  return options;
}

}  // namespace kiln::agent
