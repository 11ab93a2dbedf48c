// SPDX-License-Identifier: Apache-2.0
#include "agent/top/body.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "agent/cli/report_table.h"
#include "agent/cli/report_tree.h"
#include "agent/cli/terminal.h"
#include "agent/top/columns.h"
#include "symbolizer/short_name.h"

namespace kiln::agent {
namespace {

constexpr double kTreeCutOffPercent = 1;
constexpr size_t kMaxFullName = 60;  // longer ones lose template arguments and parameters

const TableColumn kPercentSelf = {.heading = "self%", .is_number = true, .most = 6};
const TableColumn kPercentTotal = {.heading = "total%", .is_number = true, .most = 6};
const TableColumn kCpu = {.heading = "CPU", .is_number = true, .most = 6};
const TableColumn kPercent = {.heading = "%", .is_number = true, .most = 6};
const TableColumn kPid = {.heading = "PID", .is_number = true, .most = 7};
const TableColumn kTid = {.heading = "TID", .is_number = true, .most = 7};
const TableColumn kProcess = {.heading = "process", .least = 9, .most = 26};

std::string FunctionText(const std::string& function) {
  std::string name = HarmlessText(function);
  return DisplayWidth(name) > kMaxFullName ? symbolizer::ShortName(name) : name;
}

// Unknown numbers are left out.
std::string NumberText(int64_t number) { return number == 0 ? "-" : fmt::format("{}", number); }

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return lines;
}

}  // namespace

TopBody::TopBody(const TopInterval& interval, const TopView& view)
    : interval_(interval),
      by_(view.by),
      tree_(view.tree),
      has_filter_(!view.filter.empty()),
      totals_(TotalsOf(interval.profile)) {
  if (totals_.samples == 0) return;
  const profile::Profile* profile = &interval.profile;
  std::optional<profile::Profile> changed;
  if (view.has_kernel && !view.shows_kernel) profile = &changed.emplace(WithoutKernelFrames(*profile));
  if (tree_) {
    if (has_filter_) profile = &changed.emplace(SamplesWith(*profile, view.filter));
    if (profile->samples.empty()) return;
    tree_lines_ = SplitLines(
        RenderCallTree(*profile, {.cut_off_percent = kTreeCutOffPercent, .width = 0, .whole = totals_.samples}));
  } else {
    rows_ = CountRows(*profile, by_, view.sort);
    std::erase_if(rows_, [&](const TopRow& row) { return !RowMatches(row, view.filter); });
  }
}

size_t TopBody::size() const {
  if (tree_) return tree_lines_.empty() ? 0 : tree_lines_.size() - 1;
  return rows_.size();
}

std::vector<std::string> TopBody::Lines(size_t first, size_t count, size_t width) const {
  first = std::min(first, size());
  count = std::min(count, size() - first);
  if (tree_) {
    std::vector<std::string> lines{tree_lines_.front()};
    lines.insert(lines.end(), tree_lines_.begin() + static_cast<ptrdiff_t>(first + 1),
                 tree_lines_.begin() + static_cast<ptrdiff_t>(first + 1 + count));
    if (width == 0) return lines;
    for (std::string& line : lines) line = CutToWidth(line, width);
    return lines;
  }
  std::vector<std::vector<std::string>> cells;
  for (size_t i = first; i < first + count; ++i) {
    cells.push_back(by_ == TopGrouping::kFunction ? FunctionCells(rows_[i]) : TaskCells(rows_[i]));
  }
  switch (by_) {
    case TopGrouping::kFunction:
      return LayOutTable({kPercentSelf,
                          kPercentTotal,
                          kCpu,
                          {.heading = "function", .least = 20, .most = 80},
                          {.heading = "module", .least = 8, .most = 24},
                          kProcess},
                         3, cells, width);
    case TopGrouping::kProcess:
      return LayOutTable({kCpu, kPercent, kPid, kProcess, {.heading = "hottest function", .least = 12, .most = 100}}, 3,
                         cells, width);
    case TopGrouping::kThread:
      return LayOutTable({kCpu,
                          kPercent,
                          kPid,
                          kTid,
                          {.heading = "thread", .least = 9, .most = 16},
                          {.heading = "process", .least = 9, .most = 16},
                          {.heading = "hottest function", .least = 12, .most = 100}},
                         4, cells, width);
  }
  return {};
}

std::vector<std::string> TopBody::FunctionCells(const TopRow& row) const {
  std::string process = HarmlessText(row.process);
  if (row.pid != 0) process += fmt::format(" ({})", row.pid);
  if (row.more_processes > 0) process += fmt::format(" +{}", row.more_processes);
  return {Percent(row.self, totals_.samples, 1),
          Percent(row.total, totals_.samples, 1),
          fmt::format("{:.2f}", BusyCpus(interval_.profile, row.self)),
          FunctionText(row.function),
          HarmlessText(row.module),
          std::move(process)};
}

std::vector<std::string> TopBody::TaskCells(const TopRow& row) const {
  std::vector<std::string> cells{fmt::format("{:.2f}", BusyCpus(interval_.profile, row.self)),
                                 Percent(row.self, totals_.samples, 1), NumberText(row.pid)};
  if (by_ == TopGrouping::kThread) {
    cells.push_back(NumberText(row.tid));
    cells.push_back(HarmlessText(row.thread));
  }
  cells.push_back(HarmlessText(row.process));
  std::string function = FunctionText(row.function);
  // Modules that are no files are in brackets already.
  if (row.module.starts_with('[')) {
    function += "  " + HarmlessText(row.module);
  } else if (!row.module.empty()) {
    function += fmt::format("  [{}]", HarmlessText(row.module));
  }
  cells.push_back(std::move(function));
  return cells;
}

std::string TopBody::Sentence() const {
  if (totals_.samples == 0) {
    return interval_.target.empty() ? "nothing used the CPU in this interval: the machine was idle"
                                    : HarmlessText(interval_.target) + " used no CPU in this interval";
  }
  return has_filter_ ? "nothing matches the filter" : "nothing to show";
}

std::string_view TopBody::unit() const {
  if (tree_) return "lines of the tree";
  switch (by_) {
    case TopGrouping::kFunction: return "functions";
    case TopGrouping::kProcess: return "processes";
    case TopGrouping::kThread: return "threads";
  }
  return "";
}

}  // namespace kiln::agent
