// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/process_metrics.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>

#include "agent/telemetry/cgroup_limits.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

double OpenFiles() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (folder == nullptr) return 0;
  int count = -1;  // the folder's own
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count;
}

std::string Architecture() {
  utsname name{};
  return ::uname(&name) == 0 ? name.machine : "";
}

}  // namespace

double ProcessCpuSeconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  const auto text = ReadFile("/proc/self/statm", 256);
  if (!text.ok()) return 0;
  const std::vector<std::string> fields = absl::StrSplit(*text, ' ');
  double pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtod(fields[1], &pages)) return 0;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

ProcessMetrics::ProcessMetrics(MetricRegistry& registry, const std::string& version,
                               std::function<absl::Duration()> monotonic)
    : registry_(registry) {
  const absl::Duration started = monotonic();
  const auto add = [&](MetricKind kind, const char* name, const char* help, std::function<double()> read,
                       MetricLabels labels = {}) {
    registrations_.push_back(registry.AddCallback(kind, name, help, std::move(labels), std::move(read)));
  };
  add(MetricKind::kCounter, "otelcol_process_uptime", "Seconds since the agent started.",
      [started, monotonic] { return absl::ToDoubleSeconds(monotonic() - started); });
  add(MetricKind::kCounter, "otelcol_process_cpu_seconds_total",
      "User and system CPU time of the agent in seconds, without its BPF programs.", ProcessCpuSeconds);
  add(MetricKind::kGauge, "otelcol_process_memory_rss", "Resident memory of the agent in bytes.", ResidentBytes);
  add(MetricKind::kGauge, "kiln_process_open_fds", "Files that the agent has open.", OpenFiles);
  add(MetricKind::kGauge, "kiln_available_cpus", "CPUs that the machine and the agent's cgroup leave it.",
      [] { return AvailableHere().cpus; });
  add(MetricKind::kGauge, "kiln_available_memory_bytes", "Memory that the machine and the agent's cgroup leave it.",
      [] { return static_cast<double>(AvailableHere().memory_bytes); });
  add(MetricKind::kGauge, "kiln_build_info", "Always 1; the labels say what runs.", [] { return 1.0; },
      {{"version", version}, {"arch", Architecture()}});
}

void ProcessMetrics::SetTarget(const std::map<std::string, std::string>& attributes) {
  target_ = {};
  if (attributes.empty()) return;
  std::map<std::string, std::string> labels;
  for (const auto& [key, value] : attributes) {
    if (key.empty()) continue;
    std::string name = absl::ascii_isdigit(static_cast<unsigned char>(key.front())) ? "_" : "";
    for (const char c : key) name += absl::ascii_isalnum(static_cast<unsigned char>(c)) ? c : '_';
    // Names that become the same share the label, as the specification has it.
    std::string& text = labels[name];
    text += (text.empty() ? "" : ";") + value;
  }
  target_ =
      registry_.AddCallback(MetricKind::kGauge, "target_info", "Always 1; the labels are attributes of the agent.",
                            {labels.begin(), labels.end()}, [] { return 1.0; });
}

}  // namespace kiln::agent
