// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_symbols.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "base/file.h"

namespace kiln::symbolizer {
namespace {

// "ffffffff81000000 T _stext" or "ffffffffc0001000 t helper\t[module]".
struct Line {
  uint64_t address;
  char type;
  std::string_view name;
  std::string_view module;
};

std::optional<Line> ParseLine(std::string_view text) {
  Line line{};
  const char* end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, line.address, 16);
  if (error != std::errc() || end - after < 4 || after[0] != ' ' || after[2] != ' ') return std::nullopt;
  line.type = after[1];
  line.name = text.substr(static_cast<size_t>(after - text.data()) + 3);
  if (const size_t tab = line.name.find_first_of("\t "); tab != std::string_view::npos) {
    line.module = line.name.substr(tab + 1);
    line.name = line.name.substr(0, tab);
    if (line.module.size() < 3 || line.module.front() != '[' || line.module.back() != ']') return std::nullopt;
    line.module = line.module.substr(1, line.module.size() - 2);
  }
  if (line.name.empty() || line.name.find('\0') != std::string_view::npos) return std::nullopt;
  return line;
}

struct Entry {
  uint64_t start;
  uint32_t name;
  uint16_t module;
  uint8_t binding;      // 0 global, 1 weak, 2 local
  uint8_t underscores;  // leading ones
};

std::optional<uint8_t> BindingOf(char type) {
  switch (type) {
    case 'T': return 0;
    case 'W':
    case 'w': return 1;
    case 't': return 2;
    default: return std::nullopt;  // data
  }
}

// What the markers of the kernel proper say.
struct Marks {
  uint64_t stext = 0;
  uint64_t text = 0;
  uint64_t etext = 0;
  uint64_t sinittext = 0;
  uint64_t einittext = 0;

  // nullptr if the line is no marker.
  uint64_t* Find(const Line& line) {
    if (!line.module.empty()) return nullptr;
    if (line.name == "_stext") return &stext;
    if (line.name == "_text") return &text;
    if (line.name == "_etext") return &etext;
    if (line.name == "_sinittext") return &sinittext;
    if (line.name == "_einittext") return &einittext;
    return nullptr;
  }
};

}  // namespace

StatusOr<KernelSymbols> KernelSymbols::Load(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxKallsymsBytes));
  StatusOr<KernelSymbols> symbols = Parse(text);
  if (!symbols.ok()) return Annotate(symbols.status(), path);
  return symbols;
}

StatusOr<KernelSymbols> KernelSymbols::Parse(std::string_view kallsyms) {
  KernelSymbols symbols;
  symbols.module_names_.emplace_back();
  absl::flat_hash_map<std::string_view, uint16_t> module_indices = {{"", 0}};
  std::vector<Entry> entries;
  Marks marks;
  size_t good_lines = 0;
  size_t zeros = 0;

  while (!kallsyms.empty()) {
    const size_t newline = std::min(kallsyms.find('\n'), kallsyms.size());
    const std::string_view text = kallsyms.substr(0, newline);
    kallsyms.remove_prefix(std::min(newline + 1, kallsyms.size()));
    const std::optional<Line> line = ParseLine(text);
    if (!line) {
      ++symbols.damaged_lines_;
      continue;
    }
    ++good_lines;
    const std::optional<uint8_t> binding = BindingOf(line->type);
    if (!binding) continue;
    if (line->address == 0) {
      ++zeros;
      continue;
    }
    if (uint64_t* mark = marks.Find(*line)) {
      *mark = line->address;
      continue;
    }
    if (entries.size() == kMaxKernelSymbols) {
      return Error(absl::StatusCode::kResourceExhausted, "more than {} symbols", kMaxKernelSymbols);
    }
    const auto [module, is_new] =
        module_indices.try_emplace(line->module, static_cast<uint16_t>(symbols.module_names_.size()));
    if (is_new) {
      if (symbols.module_names_.size() == UINT16_MAX) {
        return Error(absl::StatusCode::kResourceExhausted, "more than {} modules", UINT16_MAX);
      }
      symbols.module_names_.emplace_back(line->module);
    }
    const size_t underscores = std::min(line->name.find_first_not_of('_'), line->name.size());
    entries.push_back({.start = line->address,
                       .name = symbols.pool_.Add(line->name),
                       .module = module->second,
                       .binding = *binding,
                       .underscores = static_cast<uint8_t>(std::min<size_t>(underscores, UINT8_MAX))});
  }
  if (good_lines == 0) return Error(absl::StatusCode::kDataLoss, "no kernel symbols in it");
  symbols.hidden_ = entries.empty() && zeros != 0;

  const NamePool& pool = symbols.pool_;
  std::ranges::sort(entries, [&](const Entry& a, const Entry& b) {
    if (a.start != b.start) return a.start < b.start;  // names lie anywhere in memory: only if need be
    return std::tuple(a.binding, a.underscores, pool.At(a.name)) <
           std::tuple(b.binding, b.underscores, pool.At(b.name));
  });
  const auto aliases = std::ranges::unique(entries, {}, &Entry::start);
  entries.erase(aliases.begin(), aliases.end());

  symbols.text_start_ = marks.stext != 0 ? marks.stext : marks.text;
  symbols.text_end_ = marks.etext;
  std::vector<IntervalMap::Range> ranges;
  ranges.reserve(entries.size());
  NamePool kept_names;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const bool is_kernel = entry.module == 0;
    uint64_t end = i + 1 < entries.size() ? entries[i + 1].start : UINT64_MAX;
    const bool is_last = i + 1 == entries.size() || entries[i + 1].module != entry.module;
    const uint64_t mark = !is_kernel                      ? 0
                          : entry.start < marks.etext     ? marks.etext
                          : entry.start < marks.einittext ? marks.einittext
                                                          : 0;
    if (mark != 0) {
      end = std::min(end, mark);
    } else if (is_last && end - entry.start > kMaxLastFunctionBytes) {
      end = entry.start + kMaxLastFunctionBytes;
    }
    ranges.push_back({.start = entry.start, .end = end, .value = static_cast<uint32_t>(i)});
    symbols.names_.push_back(kept_names.Add(pool.At(entry.name)));
    symbols.modules_.push_back(entry.module);
  }
  symbols.intervals_ = IntervalMap::Paint(ranges);
  kept_names.ShrinkToFit();
  symbols.pool_ = std::move(kept_names);
  symbols.names_.shrink_to_fit();
  symbols.modules_.shrink_to_fit();
  return symbols;
}

std::optional<KernelSymbols::Symbol> KernelSymbols::Lookup(ProcessAddress address) const {
  const auto after = added_.upper_bound(address.value());
  if (after != added_.begin()) {
    const auto& [start, added] = *std::prev(after);
    if (address.value() < added.end) return Symbol{.name = added.name, .module = added.module, .start = start};
  }
  const std::optional<IntervalMap::Found> found = intervals_.Find(address.value());
  if (!found || names_[found->value] == 0) return std::nullopt;
  return Symbol{.name = std::string(pool_.At(names_[found->value])),
                .module = module_names_[modules_[found->value]],
                .start = found->start};
}

void KernelSymbols::Add(ProcessAddress start, uint64_t size, std::string name, std::string module) {
  if (size == 0 || name.empty()) return;
  const uint64_t end = start.value() > UINT64_MAX - size ? UINT64_MAX : start.value() + size;
  auto first = added_.upper_bound(start.value());
  if (first != added_.begin() && std::prev(first)->second.end > start.value()) --first;
  auto last = first;
  while (last != added_.end() && last->first < end) ++last;
  added_.erase(first, last);
  if (added_.size() == kMaxAddedKernelSymbols) added_.erase(added_.begin());
  added_.emplace(start.value(), Added{.end = end, .name = std::move(name), .module = std::move(module)});
}

void KernelSymbols::Remove(ProcessAddress start) {
  added_.erase(start.value());
  const std::optional<IntervalMap::Found> found = intervals_.Find(start.value());
  if (found && found->start == start.value()) names_[found->value] = 0;
}

size_t KernelSymbols::memory_bytes() const {
  size_t bytes = intervals_.memory_bytes() + pool_.memory_bytes() + names_.capacity() * sizeof(names_[0]) +
                 modules_.capacity() * sizeof(modules_[0]);
  for (const auto& [start, added] : added_) bytes += sizeof(added) + 48 + added.name.size() + added.module.size();
  return bytes;
}

}  // namespace kiln::symbolizer
