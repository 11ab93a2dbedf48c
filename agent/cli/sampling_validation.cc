// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/sampling_validation.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <re2/re2.h>

#include <algorithm>
#include <filesystem>
#include <limits>

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

}  // namespace

std::optional<Failure> CheckFolder(const char* option, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return std::nullopt;
  return Failure{ExitCode::kNoInput, fmt::format("{} is '{}': there is no such folder", option, path)};
}

std::optional<Failure> ValidateSampling(const SamplingArguments& arguments, const std::string& proc_root,
                                        SamplingOptions& options) {
  const auto frequency = ParseWholeNumber("--frequency", arguments.frequency, 1, 10'000);
  if (!frequency.ok()) return Usage(frequency.status());
  options.frequency_hz = static_cast<int>(*frequency);
  const auto memory = ParseBytes("--unwind-memory", arguments.unwind_memory, 4 << 20, 1 << 30);
  if (!memory.ok()) return Usage(memory.status());
  options.unwind_memory_bytes = *memory;
  options.unwind_cache = arguments.unwind_cache;
  options.no_kernel = arguments.no_kernel;
  const auto reading = ParseBytes("--debug-info-memory", arguments.debug_info_memory, 64 << 20, uint64_t{64} << 30);
  if (!reading.ok()) return Usage(reading.status());
  options.debug_info_memory_bytes = *reading;
  options.debug_info = !arguments.no_debug_info;
  options.debug_info_cache = arguments.debug_info_cache;
  for (const std::string& folder : arguments.debug_folders) {
    if (auto failure = CheckFolder("--debug-dir", folder)) return failure;
  }
  options.debug_folders = arguments.debug_folders;
  if (arguments.debuginfod) {
    options.debuginfod_urls = absl::StrSplit(arguments.debuginfod_urls, ' ', absl::SkipEmpty());
    if (options.debuginfod_urls.empty()) {
      return Failure{ExitCode::kUsage, "--debuginfod asks the servers in DEBUGINFOD_URLS, and there are none: set it"};
    }
  }
  options.comm_regex = arguments.comm;
  if (auto failure = CheckComm(arguments.comm)) return failure;
  if (auto failure = TakePids(arguments.pids, proc_root, options.pids)) return failure;
  return TakeCgroups(arguments.cgroups, options.cgroups);
}

}  // namespace kiln::agent
