// SPDX-License-Identifier: Apache-2.0
#include "agent/config/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace kiln::agent::config {
namespace {

constexpr size_t kMaxQuoted = 80;    // bytes of a value in a message
constexpr size_t kMaxDistance = 64;  // longer words are not compared: the table is quadratic

// Damerau's, restricted: insert, delete, replace, swap of neighbours.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string Diagnostic::Text() const {
  std::string text = file;
  if (line > 0) text += fmt::format(":{}", line);
  if (line > 0 && column > 0) text += fmt::format(":{}", column);
  if (!text.empty()) text += ": ";
  if (!path.empty()) text += path + ": ";
  return text + message;
}

int Report::AddFile(std::string name) {
  const auto found = std::find(files_.begin(), files_.end(), name);
  if (found != files_.end()) return static_cast<int>(found - files_.begin());
  files_.push_back(std::move(name));
  return static_cast<int>(files_.size()) - 1;
}

std::string Report::Name(const Place& place) const {
  if (place.file < 0) return "";
  const std::string& file = files_.at(static_cast<size_t>(place.file));
  return place.line > 0 ? fmt::format("{}:{}", file, place.line) : file;
}

void Report::Error(const Place& place, std::string path, std::string message) {
  error_paths_.insert(path);
  errors_.push_back({place, std::move(path), std::move(message)});
}

void Report::Warning(const Place& place, std::string path, std::string message) {
  warnings_.push_back({place, std::move(path), std::move(message)});
}

std::vector<Diagnostic> Report::Sorted(const std::vector<Entry>& entries) const {
  std::vector<Entry> sorted = entries;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<Diagnostic> out;
  for (Entry& entry : sorted) {
    out.push_back({.file = Name({.file = entry.place.file}),
                   .line = entry.place.line,
                   .column = entry.place.column,
                   .path = std::move(entry.path),
                   .message = std::move(entry.message)});
  }
  return out;
}

std::string JoinNames(const std::vector<std::string_view>& names, std::string_view last) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? last : ", ";
    out += names[i];
  }
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out = "'";
  bool cut = text.size() > kMaxQuoted;
  // Never in the middle of a character.
  size_t length = cut ? kMaxQuoted : text.size();
  while (cut && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  for (const char c : text.substr(0, length)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out + (cut ? "…'" : "'");
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& names) {
  if (word.empty() || word.size() > kMaxDistance) return "";
  std::string_view best;
  size_t least = std::min<size_t>(2, word.size() / 3 + 1) + 1;
  for (const std::string_view name : names) {
    const size_t distance = EditDistance(word, name);
    if (distance < least && distance < name.size()) {
      best = name;
      least = distance;
    }
  }
  // A word that lacks its end or its beginning ("max" for max_size) is near too.
  for (const std::string_view name : names) {
    if (!best.empty() || word.size() < 4) break;
    if (name.starts_with(word) || word.starts_with(name)) best = name;
  }
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

}  // namespace kiln::agent::config
