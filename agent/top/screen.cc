// SPDX-License-Identifier: Apache-2.0
#include "agent/top/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "agent/cli/report_table.h"
#include "agent/cli/terminal.h"
#include "agent/cli/top_help.h"
#include "agent/top/body.h"

namespace kiln::agent {
namespace {

constexpr std::string_view kKeysLine = "q quit  s sort  b by  t tree  k kernel  / filter  space pause  h help";
constexpr std::string_view kWaiting = "the first interval is being sampled";

std::string FirstLine(const TopInterval& interval, const TopTotals& totals, absl::TimeZone time_zone) {
  return fmt::format("kiln top  {}  {}  {} Hz  {:.1f} s  {} samples", HarmlessText(interval.host),
                     absl::FormatTime("%H:%M:%S", EndOf(interval.profile), time_zone), interval.frequency_hz,
                     static_cast<double>(interval.profile.duration_nano) / 1e9, WithThousands(totals.samples));
}

std::string SecondLine(const TopInterval& interval, const TopTotals& totals) {
  const bool whole_host = interval.target.empty();
  double busy = BusyCpus(interval.profile, totals.samples);
  // A tick more than fits is by chance.
  if (whole_host) busy = std::min(busy, static_cast<double>(interval.online_cpus));
  std::string text = fmt::format("{:.2f} of {} {} {}", busy, interval.online_cpus,
                                 interval.online_cpus == 1 ? "CPU" : "CPUs", whole_host ? "busy" : "used");
  if (totals.samples > 0) text += fmt::format("  {} % complete stacks", Percent(totals.complete, totals.samples, 1));
  return text +
         fmt::format("  {} lost  kiln {:.1f} % of a CPU", WithThousands(interval.lost), interval.own_cpu_percent);
}

// Whom and what the table shows.
std::string StateLine(const TopInterval& interval, const TopView& view) {
  std::string text = interval.target.empty() ? "the whole host" : HarmlessText(interval.target);
  if (view.tree) {
    text += ", call tree";
  } else if (view.by == TopGrouping::kFunction) {
    text += fmt::format(", functions by {}", view.sort == TopSort::kCpu ? "CPU" : SortName(view.sort));
  } else {
    text += view.by == TopGrouping::kProcess ? ", processes by CPU" : ", threads by CPU";
  }
  if (!view.shows_kernel) text += ", without kernel";
  if (!view.filter.empty()) text += fmt::format(", filter '{}'", HarmlessText(view.filter));
  if (view.is_paused) text += ", PAUSED";
  return text;
}

std::string LastLine(const TopView& view, size_t first, size_t shown, size_t size, size_t columns) {
  if (view.edits_filter) return fmt::format("filter: {}_   Enter keeps it, Esc ends it", HarmlessText(view.filter));
  if (!view.message.empty()) return view.message;
  std::string text(kKeysLine);
  if (size <= shown) return text;
  const std::string range =
      fmt::format("{}-{} of {}", first + 1, first + shown, WithThousands(static_cast<int64_t>(size)));
  const size_t used = DisplayWidth(text);
  // The range matters more than the keys.
  if (used + 2 + range.size() > columns) return range + "  " + text;
  return text + std::string(columns - used - range.size(), ' ') + range;
}

// Which lines around the table there is room for.
struct Chrome {
  bool first = false, second = false, state = false, heading = false, keys = false;
  size_t lines() const { return size_t{first} + second + state + heading + keys; }
};

Chrome ChromeFor(size_t rows) {
  return {.first = rows >= 5, .second = rows >= 2, .state = rows >= 8, .heading = rows >= 4, .keys = rows >= 6};
}

std::vector<ScreenLine> Cut(std::vector<ScreenLine> lines, ScreenSize size) {
  if (lines.size() > size.rows) lines.resize(size.rows);
  for (ScreenLine& line : lines) line.text = CutToWidth(line.text, size.columns);
  return lines;
}

std::vector<ScreenLine> HelpLines() {
  std::vector<ScreenLine> lines;
  const auto add = [&](const TopHelpEntry& entry) {
    lines.push_back({fmt::format("{:<11}{}", entry.term, entry.meaning)});
  };
  for (const TopHelpEntry& key : kTopKeys) add(key);
  lines.emplace_back();
  for (const TopHelpEntry& column : kTopColumns) add(column);
  return lines;
}

}  // namespace

std::vector<ScreenLine> RenderScreen(const TopInterval* interval, TopView& view, ScreenSize size,
                                     absl::TimeZone time_zone, size_t most_lines) {
  if (size.rows == 0 || size.columns == 0) return {};
  if (view.shows_help) return Cut(HelpLines(), size);
  if (interval == nullptr) {
    std::vector<ScreenLine> lines{{"kiln top"}, {std::string(kWaiting)}};
    if (size.rows >= 3) lines.push_back({std::string(kKeysLine), LineStyle::kHint});
    return Cut(std::move(lines), size);
  }

  const TopBody body(*interval, view);
  const Chrome chrome = ChromeFor(size.rows);
  const bool has_note = !interval->note.empty() && size.rows >= 10;
  const size_t page = std::min(size.rows - chrome.lines() - size_t{has_note}, most_lines);
  view.page_lines = page;
  view.first_line = std::min(view.first_line, body.size() - std::min(body.size(), page));

  std::vector<ScreenLine> lines;
  if (chrome.first) lines.push_back({FirstLine(*interval, body.totals(), time_zone)});
  if (chrome.second) lines.push_back({SecondLine(*interval, body.totals())});
  if (chrome.state) lines.push_back({StateLine(*interval, view)});
  if (has_note) lines.push_back({"note: " + HarmlessText(interval->note)});
  size_t shown = 0;
  if (body.size() == 0) {
    lines.push_back({body.Sentence()});
  } else {
    const std::vector<std::string> texts = body.Lines(view.first_line, page, size.columns);
    shown = texts.size() - 1;
    for (size_t i = chrome.heading ? 0 : 1; i < texts.size(); ++i) {
      lines.push_back({texts[i], i == 0 ? LineStyle::kHeading : LineStyle::kPlain});
    }
  }
  if (chrome.keys) {
    while (lines.size() + 1 < size.rows) lines.emplace_back();
    lines.push_back({LastLine(view, view.first_line, shown, body.size(), size.columns), LineStyle::kHint});
  }
  return Cut(std::move(lines), size);
}

std::string PaintScreen(const std::vector<ScreenLine>& lines, ScreenSize size) {
  std::string text = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\r\n";
    const size_t width = DisplayWidth(lines[i].text);
    switch (lines[i].style) {
      case LineStyle::kPlain: text += lines[i].text; break;
      case LineStyle::kHeading:
        text += "\x1b[7m" + lines[i].text + std::string(size.columns - std::min(size.columns, width), ' ') + "\x1b[0m";
        continue;
      case LineStyle::kHint: text += "\x1b[2m" + lines[i].text + "\x1b[0m"; break;
    }
    // Behind a full line the cursor stands on its last column still: that would be erased.
    if (width < size.columns) text += "\x1b[K";
  }
  if (lines.empty()) return text + "\x1b[J";
  return lines.size() < size.rows ? text + "\r\n\x1b[J" : text;
}

std::string RenderBlock(const TopInterval& interval, const TopView& view, size_t width, absl::TimeZone time_zone,
                        size_t most_lines) {
  const TopBody body(interval, view);
  std::vector<std::string> lines{FirstLine(interval, body.totals(), time_zone), SecondLine(interval, body.totals()),
                                 StateLine(interval, view)};
  lines.emplace_back();
  if (body.size() == 0) {
    lines.push_back(body.Sentence());
  } else {
    for (std::string& line : body.Lines(0, most_lines, width)) lines.push_back(std::move(line));
    if (body.size() > most_lines) {
      lines.push_back(
          fmt::format("and {} more {}", WithThousands(static_cast<int64_t>(body.size() - most_lines)), body.unit()));
    }
  }
  std::string text;
  for (const std::string& line : lines) text += (width == 0 ? line : CutToWidth(line, width)) + "\n";
  return text;
}

}  // namespace kiln::agent
