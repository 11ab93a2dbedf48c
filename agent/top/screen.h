// SPDX-License-Identifier: Apache-2.0
// From an interval to text. Pure: no terminal, no clock.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/top/interval.h"
#include "agent/top/view.h"

namespace kiln::agent {

enum class LineStyle : uint8_t { kPlain, kHeading, kHint };

struct ScreenLine {
  std::string text;  // safe to print, not wider than the screen, without line end
  LineStyle style = LineStyle::kPlain;
};

struct ScreenSize {
  size_t columns = 80;
  size_t rows = 24;
};

// The lines of the screen from top to bottom, at most size.rows: header, table or tree, keys. What is less important is
// left out of small ones; of no size is there nothing. `interval` is nullptr before the first one. Limits
// view.first_line to what there is and sets view.page_lines. Of the table at most `most_lines` are there to be shown.
std::vector<ScreenLine> RenderScreen(const TopInterval* interval, TopView& view, ScreenSize size,
                                     absl::TimeZone time_zone, size_t most_lines);

// What the terminal has to be sent so that it shows the lines from its upper left corner and nothing else: no erasing
// before writing, so nothing flickers.
std::string PaintScreen(const std::vector<ScreenLine>& lines, ScreenSize size);

// The interval as plain lines, each with a line end: header, an empty line, the table or tree, at most `most_lines` of
// it, and what was left out. `width` 0: nothing is cut.
std::string RenderBlock(const TopInterval& interval, const TopView& view, size_t width, absl::TimeZone time_zone,
                        size_t most_lines);

}  // namespace kiln::agent
