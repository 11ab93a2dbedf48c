// SPDX-License-Identifier: Apache-2.0
// A table in a given number of terminal columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace kiln::agent {

struct TableColumn {
  std::string heading;
  bool is_number = false;  // to the right, never cut
  size_t least = 0;        // width that a text may be cut to before a table column is left out
  size_t most = 0;         // its width where there is room; numbers: at least this
};

// Lines of equal structure under one of headings. Where everything is depends on `width` alone, as long as numbers keep
// to their widths: a table that is shown again and again must not wobble. The main column is the text that matters
// most. Where there is no room, in this order: the other texts are cut to their least, rightmost first, the main text
// is cut to its least, table columns are left out from the right (not the main one, nor those left of it) and the main
// text has what they leave, lines are cut. `width` 0: nothing is cut, columns are as wide as their texts, up to `most`.
// `cells` are safe to print, one per column; the result has cells.size() + 1 lines without line ends.
std::vector<std::string> LayOutTable(const std::vector<TableColumn>& columns, size_t main_column,
                                     const std::vector<std::vector<std::string>>& cells, size_t width);

}  // namespace kiln::agent
