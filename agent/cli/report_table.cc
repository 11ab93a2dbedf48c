// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/report_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "agent/cli/hot_functions.h"
#include "agent/cli/terminal.h"
#include "symbolizer/short_name.h"

namespace kiln::agent {
namespace {

using profile::Profile;

constexpr size_t kMinWidth = 40;
constexpr size_t kMaxModuleColumns = 28;
constexpr size_t kMaxPadding = 60;     // names that are longer move their module to the right, when nothing is cut
constexpr size_t kMaxFullName = 60;    // longer ones lose template arguments and parameters
constexpr size_t kNumberColumns = 17;  // "  self%  total%  "

std::string PadTo(std::string text, size_t columns) {
  const size_t width = DisplayWidth(text);
  if (width < columns) text.append(columns - width, ' ');
  return text;
}

}  // namespace

std::string WithThousands(int64_t number) {
  const std::string digits = fmt::format("{}", number);
  const size_t first = number < 0 ? 1 : 0;
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Percent(int64_t part, int64_t whole, int decimals) {
  if (whole == 0) return "0";
  return fmt::format("{:.{}f}", 100.0 * static_cast<double>(part) / static_cast<double>(whole), decimals);
}

std::string RenderFunctionTable(const Profile& profile, const TableOptions& options) {
  const HotFunctions hot = FindHotFunctions(profile);
  if (hot.samples == 0) return "no samples\n";
  const size_t rows = std::min(options.rows, hot.functions.size());

  std::vector<std::pair<std::string, std::string>> names;
  size_t function_columns = 8;
  size_t module_columns = 6;
  for (size_t i = 0; i < rows; ++i) {
    std::string name = HarmlessText(hot.functions[i].name);
    if (DisplayWidth(name) > kMaxFullName) name = symbolizer::ShortName(name);
    names.emplace_back(std::move(name), HarmlessText(hot.functions[i].module));
    function_columns = std::max(function_columns, DisplayWidth(names.back().first));
    module_columns = std::max(module_columns, DisplayWidth(names.back().second));
  }
  if (options.width == 0) {
    function_columns = std::min(function_columns, kMaxPadding);
  } else {
    const size_t width = std::max(options.width, kMinWidth) - kNumberColumns - 2;
    module_columns = std::min({module_columns, kMaxModuleColumns, width / 3});
    function_columns = std::min(function_columns, width - module_columns);
  }
  const auto fit = [&](const std::string& text, size_t columns) {
    return options.width == 0 ? text : CutToWidth(text, columns);
  };

  std::string text = fmt::format("  self%  total%  {}  module\n", PadTo("function", function_columns));
  for (size_t i = 0; i < rows; ++i) {
    const HotFunction& row = hot.functions[i];
    const std::string function = PadTo(fit(names[i].first, function_columns), function_columns);
    text += fmt::format("{:>7} {:>7}  {}  {}", Percent(row.self, hot.samples), Percent(row.total, hot.samples),
                        function, fit(names[i].second, module_columns));
    text.resize(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  if (rows < hot.functions.size()) {
    int64_t rest = 0;
    for (size_t i = rows; i < hot.functions.size(); ++i) rest = SaturatingAdd(rest, hot.functions[i].self);
    text += fmt::format("{:>7}          in {} more functions\n", Percent(rest, hot.samples),
                        WithThousands(std::ssize(hot.functions) - static_cast<ptrdiff_t>(rows)));
  }
  return text;
}

}  // namespace kiln::agent
