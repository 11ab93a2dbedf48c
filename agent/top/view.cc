// SPDX-License-Identifier: Apache-2.0
#include "agent/top/view.h"

#include <limits>
#include <utility>

namespace kiln::agent {
namespace {

constexpr size_t kMaxFilterBytes = 256;

void RemoveLastCharacter(std::string& text) {
  while (!text.empty()) {
    const auto last = static_cast<unsigned char>(text.back());
    text.pop_back();
    if ((last & 0xc0) != 0x80) return;  // it was the first byte of its character
  }
}

KeyEffect EditFilter(const Key& key, TopView& view) {
  switch (key.code) {
    case KeyCode::kText:
      if (view.filter.size() + key.text.size() > kMaxFilterBytes) return KeyEffect::kNone;
      view.filter += key.text;
      break;
    case KeyCode::kBackspace: RemoveLastCharacter(view.filter); break;
    case KeyCode::kEscape:
      view.filter.clear();
      view.edits_filter = false;
      break;
    case KeyCode::kEnter: view.edits_filter = false; break;
    default: return KeyEffect::kNone;
  }
  view.first_line = 0;
  return KeyEffect::kRedraw;
}

void CycleSort(TopView& view) {
  if (view.tree) {
    view.message = "the tree is always ordered by total";
  } else if (view.by != TopGrouping::kFunction) {
    view.message = "processes and threads are always ordered by CPU";
  } else {
    view.sort = view.sort == TopSort::kSelf    ? TopSort::kTotal
                : view.sort == TopSort::kTotal ? TopSort::kCpu
                                               : TopSort::kSelf;
    view.first_line = 0;
  }
}

void CycleGrouping(TopView& view) {
  // From the tree back to the table that was there before.
  if (!view.tree) {
    view.by = view.by == TopGrouping::kFunction  ? TopGrouping::kProcess
              : view.by == TopGrouping::kProcess ? TopGrouping::kThread
                                                 : TopGrouping::kFunction;
  }
  view.tree = false;
  view.first_line = 0;
}

KeyEffect ApplyLetter(std::string_view letter, TopView& view) {
  if (letter == "q" || letter == "Q") return KeyEffect::kQuit;
  if (letter == " " || letter == "p") {
    view.is_paused = !view.is_paused;
  } else if (letter == "s") {
    CycleSort(view);
  } else if (letter == "b") {
    CycleGrouping(view);
  } else if (letter == "t") {
    view.tree = !view.tree;
    view.first_line = 0;
  } else if (letter == "k") {
    if (view.has_kernel) {
      view.shows_kernel = !view.shows_kernel;
    } else {
      view.message = "kernel frames are not sampled: leave --no-kernel out";
    }
  } else if (letter == "/") {
    view.edits_filter = true;
  } else if (letter == "h" || letter == "?") {
    view.shows_help = true;
  } else {
    return KeyEffect::kNone;
  }
  return KeyEffect::kRedraw;
}

KeyEffect Scroll(KeyCode code, TopView& view) {
  const size_t page = view.page_lines == 0 ? 1 : view.page_lines;
  const auto up = [&](size_t lines) { view.first_line -= lines < view.first_line ? lines : view.first_line; };
  switch (code) {
    case KeyCode::kUp: up(1); break;
    case KeyCode::kPageUp: up(page); break;
    case KeyCode::kHome: view.first_line = 0; break;
    // Rendering limits these to what there is.
    case KeyCode::kDown: view.first_line += 1; break;
    case KeyCode::kPageDown: view.first_line += page; break;
    case KeyCode::kEnd: view.first_line = std::numeric_limits<size_t>::max() / 2; break;
    default: return KeyEffect::kNone;
  }
  return KeyEffect::kRedraw;
}

}  // namespace

TopView ViewFor(const TopOptions& options) {
  return {.by = options.by,
          .sort = options.sort,
          .tree = options.tree,
          .has_kernel = !options.no_kernel,
          .shows_kernel = !options.no_kernel};
}

namespace {

KeyEffect ApplyKeyAfterMessage(const Key& key, TopView& view) {
  if (view.edits_filter) return EditFilter(key, view);
  if (view.shows_help) {
    view.shows_help = false;
    return key == Key{KeyCode::kText, "q"} ? KeyEffect::kQuit : KeyEffect::kRedraw;
  }
  if (key.code == KeyCode::kText) return ApplyLetter(key.text, view);
  if (key.code == KeyCode::kEscape) {
    if (view.filter.empty()) return KeyEffect::kNone;
    view.filter.clear();
    view.first_line = 0;
    return KeyEffect::kRedraw;
  }
  return Scroll(key.code, view);
}

}  // namespace

KeyEffect ApplyKey(const Key& key, TopView& view) {
  const bool had_message = !std::exchange(view.message, "").empty();
  const KeyEffect effect = ApplyKeyAfterMessage(key, view);
  return effect == KeyEffect::kNone && had_message ? KeyEffect::kRedraw : effect;
}

std::string_view GroupingName(TopGrouping by) {
  switch (by) {
    case TopGrouping::kFunction: return "function";
    case TopGrouping::kProcess: return "process";
    case TopGrouping::kThread: return "thread";
  }
  return "";
}

std::string_view SortName(TopSort sort) {
  switch (sort) {
    case TopSort::kSelf: return "self";
    case TopSort::kTotal: return "total";
    case TopSort::kCpu: return "cpu";
  }
  return "";
}

}  // namespace kiln::agent
