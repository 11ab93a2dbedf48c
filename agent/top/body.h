// SPDX-License-Identifier: Apache-2.0
// What stands below the header: a table or a call tree, or a sentence where there is nothing to show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/top/interval.h"
#include "agent/top/rows.h"
#include "agent/top/view.h"

namespace kiln::agent {

class TopBody {
 public:
  // Counts what `view` asks for. `interval` must outlive this.
  TopBody(const TopInterval& interval, const TopView& view);

  // How many lines there are, headings not counted; 0 = Sentence() says why.
  size_t size() const;
  // The heading and then `count` lines from `first` on, as far as there are; safe to print, without line ends. Names
  // are cut to `width` columns, 0 = not.
  std::vector<std::string> Lines(size_t first, size_t count, size_t width) const;
  std::string Sentence() const;
  // "functions", "processes" …, for "and 12 more functions".
  std::string_view unit() const;

  const TopTotals& totals() const { return totals_; }

 private:
  std::vector<std::string> FunctionCells(const TopRow& row) const;
  std::vector<std::string> TaskCells(const TopRow& row) const;

  const TopInterval& interval_;
  const TopGrouping by_;
  const bool tree_;
  const bool has_filter_;
  TopTotals totals_;  // of all, filtered out or not
  std::vector<TopRow> rows_;
  std::vector<std::string> tree_lines_;  // with the heading
};

}  // namespace kiln::agent
