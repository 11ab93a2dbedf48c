// SPDX-License-Identifier: Apache-2.0
#include "agent/top/columns.h"

#include <algorithm>
#include <numeric>

#include "agent/cli/terminal.h"

namespace kiln::agent {
namespace {

constexpr size_t kGap = 2;

using Widths = std::vector<size_t>;

size_t Total(const Widths& widths) {
  return std::accumulate(widths.begin(), widths.end(), size_t{0}) + kGap * (widths.size() - 1);
}

// Takes from one column what the whole is too wide, down to `least`.
void Shrink(Widths& widths, size_t column, size_t least, size_t width) {
  const size_t total = Total(widths);
  if (total <= width) return;
  const size_t spare = widths[column] - std::min(widths[column], least);
  widths[column] -= std::min(spare, total - width);
}

void FitTo(size_t width, const std::vector<TableColumn>& columns, size_t main_column, Widths& widths) {
  for (size_t i = columns.size(); i-- > 0;) {
    if (!columns[i].is_number && i != main_column) Shrink(widths, i, columns[i].least, width);
  }
  Shrink(widths, main_column, columns[main_column].least, width);
  while (Total(widths) > width && widths.size() > main_column + 1) widths.pop_back();
  const size_t total = Total(widths);
  if (total < width) widths[main_column] = std::min(columns[main_column].most, widths[main_column] + width - total);
}

std::string Line(const std::vector<TableColumn>& columns, const std::vector<std::string>& cells, const Widths& widths,
                 bool cuts) {
  std::string line;
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string text = cuts && !columns[i].is_number ? CutToWidth(cells[i], widths[i]) : cells[i];
    const size_t used = DisplayWidth(text);
    const std::string padding(widths[i] - std::min(used, widths[i]), ' ');
    if (i > 0) line.append(kGap, ' ');
    line += columns[i].is_number ? padding + text : text + padding;
  }
  line.resize(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::vector<std::string> LayOutTable(const std::vector<TableColumn>& columns, size_t main_column,
                                     const std::vector<std::vector<std::string>>& cells, size_t width) {
  std::vector<std::string> headings;
  Widths widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    headings.push_back(columns[i].heading);
    size_t widest = DisplayWidth(columns[i].heading);
    for (const auto& row : cells) widest = std::max(widest, DisplayWidth(row[i]));
    if (columns[i].is_number) {
      widths.push_back(std::max(widest, columns[i].most));
    } else {
      widths.push_back(width == 0 ? std::min(widest, columns[i].most) : columns[i].most);
    }
  }
  if (width != 0) FitTo(width, columns, main_column, widths);
  std::vector<std::string> lines{Line(columns, headings, widths, width != 0)};
  for (const auto& row : cells) lines.push_back(Line(columns, row, widths, width != 0));
  if (width == 0) return lines;
  for (std::string& line : lines) line = CutToWidth(line, width);
  return lines;
}

}  // namespace kiln::agent
