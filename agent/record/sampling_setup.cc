// SPDX-License-Identifier: Apache-2.0
#include "agent/record/sampling_setup.h"

#include <re2/re2.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "agent/doctor/host_system.h"
#include "agent/doctor/privileges.h"
#include "agent/session/environment.h"

namespace kiln::agent {

Status CheckPrivileges() {
  HostSystem host;
  const PrivilegeReport privileges = ReportPrivileges(host);
  if (!privileges.status.ok()) return privileges.status;
  for (const std::string& warning : privileges.warnings) spdlog::warn("{}", warning);
  for (const std::string& remark : privileges.remarks) spdlog::info("{}", remark);
  return absl::OkStatus();
}

LineIndexOptions SamplingIndexOptions(const SamplingOptions& options, symbolizer::Debuginfod* debuginfod) {
  return {.enabled = options.debug_info,
          .cache_folder = LineCacheFolder(options.debug_info_cache),
          .memory_bytes = options.debug_info_memory_bytes,
          .debug_folders = options.debug_folders,
          .debuginfod = debuginfod,
          .idle = false};
}

StatusOr<std::unique_ptr<symbolizer::Debuginfod>> StartDebuginfod(const SamplingOptions& options) {
  if (options.debuginfod_urls.empty() || !options.debug_info) return nullptr;
  return symbolizer::Debuginfod::Start(
      {.urls = options.debuginfod_urls, .cache_folder = DebuginfodCacheFolder(options.debug_info_cache)});
}

std::unique_ptr<const RE2> CompileCommRegex(const SamplingOptions& options) {
  if (options.comm_regex.empty()) return nullptr;
  return std::make_unique<const RE2>(options.comm_regex, RE2::Quiet);
}

SessionOptions SamplingSessionOptions(const SamplingOptions& options, const RE2* comm_regex) {
  SessionOptions session;
  session.sampler.frequency_hz = options.frequency_hz;
  session.sampler.kernel_stacks = !options.no_kernel;
  session.sampler.cgroups = options.cgroups;
  session.sampler.filter_pids = !options.pids.empty();
  session.unwinder.memory_bytes = options.unwind_memory_bytes;
  session.unwinder.cache_folder = UnwindCacheFolder(options.unwind_cache);
  for (const int pid : options.pids) session.targets.push_back({pid});
  if (comm_regex != nullptr) {
    session.sampler.filter_comm = true;
    session.comm_matches = [comm_regex](const std::string& comm) { return RE2::PartialMatch(comm, *comm_regex); };
  }
  return session;
}

std::string SamplingTargetText(const SamplingOptions& options) {
  std::string text;
  const auto add = [&text](std::string part) { text += (text.empty() ? "" : ", ") + std::move(part); };
  for (const int pid : options.pids) add(fmt::format("process {}", pid));
  if (!options.comm_regex.empty()) add(fmt::format("threads named {}", options.comm_regex));
  for (const std::string& cgroup : options.cgroups) add(fmt::format("cgroup {}", cgroup));
  return text.empty() ? "the whole host" : text;
}

}  // namespace kiln::agent
