// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/online_cpus.h"

#include <charconv>

#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr int kMaxCpus = 8192;
constexpr size_t kMaxListBytes = 65536;

bool TakeNumber(std::string_view& text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number >= kMaxCpus) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

StatusOr<std::vector<int>> ReadCpuList(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxListBytes));
  return ParseCpuList(text);
}

}  // namespace

StatusOr<std::vector<int>> ParseCpuList(std::string_view text) {
  const std::string_view whole = text;
  const auto bad = [&] { return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is no list of CPUs", whole); };
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<int> cpus;
  while (!text.empty()) {
    int first = 0;
    if (!TakeNumber(text, first)) return bad();
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!TakeNumber(text, last) || last < first) return bad();
    }
    if (!cpus.empty() && first <= cpus.back()) return bad();
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return bad();
    text.remove_prefix(1);
  }
  if (cpus.empty()) return bad();
  return cpus;
}

StatusOr<std::vector<int>> OnlineCpus() { return ReadCpuList("/sys/devices/system/cpu/online"); }

StatusOr<int> PossibleCpuCount() {
  KILN_ASSIGN_OR_RETURN(const std::vector<int> cpus, ReadCpuList("/sys/devices/system/cpu/possible"));
  return cpus.back() + 1;
}

}  // namespace kiln::agent
