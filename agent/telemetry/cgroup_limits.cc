// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/cgroup_limits.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxTextBytes = 4 << 20;  // mountinfo of a host with thousands of containers
constexpr int kMaxDepth = 64;              // deeper than anything that a container runtime makes
// v1 writes "no limit" as the largest number of whole pages; no machine has that much.
constexpr uint64_t kUnlimitedBytes = uint64_t{1} << 60;

std::string Read(const std::string& path) { return ReadFile(path, kMaxTextBytes).value_or(""); }

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const absl::string_view stripped = absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
  return absl::SimpleAtoi(stripped, &number) ? std::optional(number) : std::nullopt;
}

std::optional<uint64_t> ParseMemory(std::string_view text) {
  const auto bytes = ParseNumber<uint64_t>(text);
  return bytes && *bytes < kUnlimitedBytes ? bytes : std::nullopt;
}

// Mount points write blanks and the like as \040.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool Lists(absl::string_view comma_separated, std::string_view word) {
  const std::vector<absl::string_view> words = absl::StrSplit(comma_separated, ',');
  return std::ranges::find(words, absl::string_view(word.data(), word.size())) != words.end();
}

template <typename Number>
void Lower(std::optional<Number>& limit, std::optional<Number> other) {
  if (other && (!limit || *other < *limit)) limit = other;
}

// Calls `visit` with the folder of this process in a hierarchy and with each above it up to the mount.
void VisitUpwards(const std::string& root, std::string_view mountinfo, std::string_view cgroup,
                  std::string_view controller, const std::function<void(const std::string& folder)>& visit) {
  const auto mount = FindCgroupMount(mountinfo, controller);
  const auto path = FindCgroupPath(cgroup, controller);
  if (!mount || !path) return;
  // The mount may show a part of the hierarchy only (a container without cgroup namespace). Where the process is
  // outside of that part ("/../…"), the mount's own folder is all that can be seen of its limits.
  std::string inside = *path;
  if (mount->root != "/" && (inside == mount->root || inside.starts_with(mount->root + "/"))) {
    inside = inside.substr(mount->root.size());
  } else if (mount->root != "/") {
    inside.clear();
  }
  if (inside == "/" || inside.find("/..") != std::string::npos) inside.clear();
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    visit(root + mount->mount_point + inside);
    const size_t slash = inside.rfind('/');
    if (slash == std::string::npos) return;
    inside.resize(slash);
  }
}

}  // namespace

std::optional<CgroupMount> FindCgroupMount(std::string_view mountinfo, std::string_view controller) {
  for (const absl::string_view line : absl::StrSplit(absl::string_view(mountinfo.data(), mountinfo.size()), '\n')) {
    // id parent major:minor root mount-point options [optional…] - type source super-options
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    const auto dash = std::ranges::find(fields, absl::string_view("-"));
    if (fields.size() < 6 || fields.end() - dash < 4 || dash - fields.begin() < 6) continue;
    const bool found = controller.empty() ? dash[1] == "cgroup2" : dash[1] == "cgroup" && Lists(dash[3], controller);
    if (found) return CgroupMount{.mount_point = Unescape(fields[4]), .root = Unescape(fields[3])};
  }
  return std::nullopt;
}

std::optional<std::string> FindCgroupPath(std::string_view cgroup, std::string_view controller) {
  for (const absl::string_view line : absl::StrSplit(absl::string_view(cgroup.data(), cgroup.size()), '\n')) {
    // number:controllers:path, where the path may hold colons; "0::path" is v2's
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3 || fields[2].empty() || fields[2][0] != '/') continue;
    const bool found = controller.empty() ? fields[0] == "0" && fields[1].empty() : Lists(fields[1], controller);
    if (found) return std::string(fields[2]);
  }
  return std::nullopt;
}

std::optional<double> ParseCpuMax(std::string_view text) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(stripped, absl::MaxSplits(' ', 1));
  const auto quota = ParseNumber<int64_t>({parts.first.data(), parts.first.size()});
  const auto period = parts.second.empty() ? std::optional<int64_t>(100'000)
                                           : ParseNumber<int64_t>({parts.second.data(), parts.second.size()});
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;  // "max"; -1 in v1
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

CgroupLimits ReadCgroupLimits(const std::string& root) {
  const std::string mountinfo = Read(root + "/proc/self/mountinfo");
  const std::string cgroup = Read(root + "/proc/self/cgroup");
  CgroupLimits limits;
  // A machine may have both: v1's controllers and a v2 hierarchy without them ("hybrid"), which then holds no such
  // file.
  VisitUpwards(root, mountinfo, cgroup, "", [&](const std::string& folder) {
    Lower(limits.cpus, ParseCpuMax(Read(folder + "/cpu.max")));
    Lower(limits.memory_bytes, ParseMemory(Read(folder + "/memory.max")));
  });
  VisitUpwards(root, mountinfo, cgroup, "cpu", [&](const std::string& folder) {
    const std::string quota = Read(folder + "/cpu.cfs_quota_us");
    Lower(limits.cpus,
          ParseCpuMax(std::string(absl::StripAsciiWhitespace(quota)) + " " + Read(folder + "/cpu.cfs_period_us")));
  });
  VisitUpwards(root, mountinfo, cgroup, "memory", [&](const std::string& folder) {
    Lower(limits.memory_bytes, ParseMemory(Read(folder + "/memory.limit_in_bytes")));
  });
  return limits;
}

int MaxWaitingWorkers(const CgroupLimits& limits) {
  constexpr double kPerCpu = 4, kMost = 1000;
  return static_cast<int>(limits.cpus ? std::clamp(std::ceil(kPerCpu * *limits.cpus), 1.0, kMost) : kMost);
}

AvailableResources Available(const CgroupLimits& limits, int host_cpus, uint64_t host_memory_bytes) {
  const double cpus = std::min(limits.cpus.value_or(HUGE_VAL), static_cast<double>(std::max(host_cpus, 1)));
  const uint64_t memory = std::min(limits.memory_bytes.value_or(UINT64_MAX), host_memory_bytes);
  return {.cpus = std::max(cpus, 0.01), .memory_bytes = std::max<uint64_t>(memory, 1)};
}

AvailableResources AvailableHere() {
  // By sched_getaffinity, but not by CPU_SETSIZE: machines have more than 1024 CPUs by now.
  int cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  for (size_t count = 1024; count <= 65536; count *= 8) {
    cpu_set_t* set = CPU_ALLOC(count);
    if (set == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(count);
    const bool known = ::sched_getaffinity(0, size, set) == 0;
    if (known) cpus = CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (known) break;
  }
  const auto pages = static_cast<uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 1L));
  return Available(ReadCgroupLimits(), cpus, pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace kiln::agent
