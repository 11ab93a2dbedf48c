// SPDX-License-Identifier: Apache-2.0
// What the keys change: how the table is shown. Pure, so that every key has a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/cli/top_options.h"
#include "agent/top/keys.h"

namespace kiln::agent {

struct TopView {
  TopGrouping by = TopGrouping::kFunction;
  TopSort sort = TopSort::kSelf;
  bool tree = false;
  bool has_kernel = true;    // kernel frames are sampled at all
  bool shows_kernel = true;  // and shown
  bool is_paused = false;    // the table stands still; sampling goes on
  bool shows_help = false;
  bool edits_filter = false;
  std::string filter;     // only what has this text (rows.h, RowMatches); as typed
  size_t first_line = 0;  // of the table, where the screen begins
  size_t page_lines = 1;  // lines of the table that the screen shows
  std::string message;    // instead of the line of keys, until the next key; safe to print
};

TopView ViewFor(const TopOptions& options);

enum class KeyEffect : uint8_t { kNone, kRedraw, kQuit };

// What a key does to the view (agent/cli/top_help.h). Keys without a meaning do nothing.
KeyEffect ApplyKey(const Key& key, TopView& view);

// "function", "process", "thread"; "self", "total", "cpu".
std::string_view GroupingName(TopGrouping by);
std::string_view SortName(TopSort sort);

}  // namespace kiln::agent
