// SPDX-License-Identifier: Apache-2.0
#include "agent/record/progress.h"

#include <sys/resource.h>

#include "agent/cli/report_table.h"

namespace kiln::agent {
namespace {

std::string Clock(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds >= 3600) return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return fmt::format("{:02}:{:02}", seconds / 60, seconds % 60);
}

}  // namespace

std::string RenderProgress(const ProgressLine& line) {
  const std::string time = line.limit ? Clock(line.elapsed) + " / " + Clock(*line.limit) : Clock(line.elapsed);
  return fmt::format("{}  {} samples  {} % complete stacks  {} lost  kiln {:.1f} % CPU", time,
                     WithThousands(line.counts.samples), Percent(line.counts.complete, line.counts.samples, 1),
                     WithThousands(line.counts.lost), line.own_cpu_percent);
}

double OwnCpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace kiln::agent
