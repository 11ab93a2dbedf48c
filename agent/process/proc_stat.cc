// SPDX-License-Identifier: Apache-2.0
#include "agent/process/proc_stat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxStatBytes = 4096;
constexpr double kBusyShare = 0.02;

template <class Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<ProcStat> ParseProcStat(std::string_view text) {
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(name_end + 1);  // " S 1 …": field 3 follows
  ProcStat stat{};
  for (int field = 3; field <= 22; ++field) {
    if (!rest.starts_with(' ')) return std::nullopt;
    rest.remove_prefix(1);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(word.size());
    if (field == 3) {
      if (word.size() != 1) return std::nullopt;
      stat.state = word.front();
    } else if (field == 4) {
      const auto number = ParseNumber<int32_t>(word);
      if (!number) return std::nullopt;
      stat.parent_pid = Pid{*number};
    } else if (field == 9) {
      const auto number = ParseNumber<uint64_t>(word);
      if (!number) return std::nullopt;
      stat.flags = *number;
    } else if (field == 14 || field == 15 || field == 22) {
      const auto number = ParseNumber<uint64_t>(word);
      if (!number) return std::nullopt;
      (field == 22 ? stat.start_ticks : stat.cpu_ticks) += *number;
    }
  }
  return stat;
}

std::vector<Pid> BusyProcesses(const std::string& proc, uint64_t boottime_ns, size_t limit) {
  const double now = static_cast<double>(boottime_ns) / 1e9 * static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::vector<std::pair<double, Pid>> found;  // share of a CPU
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator entry(proc, error); !error && entry != end; entry.increment(error)) {
    const auto pid = ParseNumber<int32_t>(entry->path().filename().native());
    if (!pid || *pid <= 0) continue;
    const auto text = ReadFile(fmt::format("{}/{}/stat", proc, *pid), kMaxStatBytes);
    const auto stat = text.ok() ? ParseProcStat(*text) : std::nullopt;
    if (!stat) continue;
    const double life = std::max(now - static_cast<double>(stat->start_ticks), 1.0);
    const double share = stat->state == 'R' ? 1 : static_cast<double>(stat->cpu_ticks) / life;
    if (share >= kBusyShare) found.emplace_back(share, Pid{*pid});
  }
  std::ranges::sort(
      found, [](const auto& a, const auto& b) { return std::pair(b.first, a.second) < std::pair(a.first, b.second); });
  found.resize(std::min(found.size(), limit));
  std::vector<Pid> pids;
  for (const auto& [share, pid] : found) pids.push_back(pid);
  return pids;
}

}  // namespace kiln::agent
