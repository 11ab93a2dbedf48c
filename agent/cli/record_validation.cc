// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/record_validation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "agent/cli/profile_files.h"
#include "agent/cli/sampling_validation.h"
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
  RecordOptions options;
  options.all = arguments.all;
  options.command = arguments.command;
  options.event = arguments.event;
  options.outputs = arguments.outputs;
  options.stats_file = arguments.stats;
  options.verbose = verbose;
  if (auto failure = CheckTargets(arguments)) return *failure;
  if (options.event != "cpu-clock" && options.event != "cycles") {
    return Fault(ExitCode::kUsage, "--event is '{}': give cpu-clock or cycles", options.event);
  }
  if (!arguments.duration.empty()) {
    const auto duration = ParseDuration("--duration", arguments.duration);
    if (!duration.ok()) return Usage(duration.status());
    options.duration = *duration;
  }
  if (auto failure = ValidateSampling(arguments, environment.proc_root, options)) return *failure;
  if (options.outputs.empty()) {
    options.outputs = DefaultOutputs(environment.host_name, environment.now, environment.time_zone);
  }
  if (auto failure = CheckOutputs(options.outputs)) return *failure;
  if (auto failure = CheckStatsFile(options)) return *failure;
  if (!options.has_target() && options.command.empty()) options.all = true;
  return options;
}

}  // namespace kiln::agent
