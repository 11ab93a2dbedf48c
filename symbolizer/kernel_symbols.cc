// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_symbols.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "base/lines.h"

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

// Takes in lines, in any order.
class KernelSymbols::Parser {
 public:
  Parser() { symbols_.module_names_.emplace_back(); }

  Status Take(std::string_view text) {
    const std::optional<Line> line = ParseLine(text);
    if (!line) {
      ++symbols_.damaged_lines_;
      return absl::OkStatus();
    }
    ++good_lines_;
    const std::optional<uint8_t> binding = BindingOf(line->type);
    if (!binding) return absl::OkStatus();
    if (line->address == 0) {
      ++zeros_;
      return absl::OkStatus();
    }
    if (uint64_t* mark = marks_.Find(*line)) {
      *mark = line->address;
      return absl::OkStatus();
    }
    if (entries_.size() == kMaxKernelSymbols) {
      return Error(absl::StatusCode::kResourceExhausted, "more than {} symbols", kMaxKernelSymbols);
    }
    auto module = module_indices_.find(line->module);
    if (module == module_indices_.end()) {
      if (symbols_.module_names_.size() == UINT16_MAX) {
        return Error(absl::StatusCode::kResourceExhausted, "more than {} modules", UINT16_MAX);
      }
      module = module_indices_.emplace(line->module, static_cast<uint16_t>(symbols_.module_names_.size())).first;
      symbols_.module_names_.emplace_back(line->module);
    }
    const size_t underscores = std::min(line->name.find_first_not_of('_'), line->name.size());
    entries_.push_back({.start = line->address,
                        .name = pool_.Add(line->name),
                        .module = module->second,
                        .binding = *binding,
                        .underscores = static_cast<uint8_t>(std::min<size_t>(underscores, UINT8_MAX))});
    return absl::OkStatus();
  }

  StatusOr<KernelSymbols> Finish() {
    if (good_lines_ == 0) return Error(absl::StatusCode::kDataLoss, "no kernel symbols in it");
    symbols_.hidden_ = entries_.empty() && zeros_ != 0;
    symbols_.text_start_ = marks_.stext != 0 ? marks_.stext : marks_.text;
    symbols_.text_end_ = marks_.etext;
    symbols_.base_is_text_ = marks_.text != 0;
    symbols_.text_base_ = marks_.text != 0 ? marks_.text : marks_.stext;
    DropAliases();
    symbols_.intervals_ = IntervalMap::Paint(Ranges());
    return std::move(symbols_);
  }

 private:
  void DropAliases() {
    std::ranges::sort(entries_, [this](const Entry& a, const Entry& b) {
      if (a.start != b.start) return a.start < b.start;  // names lie anywhere in memory: only if need be
      return std::tuple(a.binding, a.underscores, pool_.At(a.name)) <
             std::tuple(b.binding, b.underscores, pool_.At(b.name));
    });
    const auto aliases = std::ranges::unique(entries_, {}, &Entry::start);
    entries_.erase(aliases.begin(), aliases.end());
  }

  // By the number of the entry, whose name and module go to the symbols; nothing is left of the entries.
  std::vector<IntervalMap::Range> Ranges() {
    std::vector<IntervalMap::Range> ranges;
    ranges.reserve(entries_.size());
    symbols_.names_.reserve(entries_.size());
    symbols_.modules_.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      ranges.push_back({.start = entry.start, .end = EndOf(i), .value = static_cast<uint32_t>(i)});
      symbols_.names_.push_back(symbols_.pool_.Add(pool_.At(entry.name)));
      symbols_.modules_.push_back(entry.module);
    }
    symbols_.pool_.ShrinkToFit();
    pool_ = NamePool();
    entries_ = std::vector<Entry>();
    return ranges;
  }

  uint64_t EndOf(size_t i) const {
    const Entry& entry = entries_[i];
    const uint64_t end = i + 1 < entries_.size() ? entries_[i + 1].start : UINT64_MAX;
    const bool is_last = i + 1 == entries_.size() || entries_[i + 1].module != entry.module;
    const uint64_t mark = entry.module != 0                ? 0
                          : entry.start < marks_.etext     ? marks_.etext
                          : entry.start < marks_.einittext ? marks_.einittext
                                                           : 0;
    if (mark != 0) return std::min(end, mark);
    return is_last && end - entry.start > kMaxLastFunctionBytes ? entry.start + kMaxLastFunctionBytes : end;
  }

  KernelSymbols symbols_;
  std::map<std::string, uint16_t, std::less<>> module_indices_ = {{"", 0}};
  std::vector<Entry> entries_;
  NamePool pool_;
  Marks marks_;
  size_t good_lines_ = 0;
  size_t zeros_ = 0;
};

StatusOr<KernelSymbols> KernelSymbols::Load(const std::string& path) {
  Parser parser;
  const auto take = [&parser](std::string_view line) { return parser.Take(line); };
  KILN_RETURN_IF_ERROR(ForEachLine(path, kMaxKallsymsBytes, take));
  StatusOr<KernelSymbols> symbols = parser.Finish();
  if (!symbols.ok()) return Annotate(symbols.status(), path);
  return symbols;
}

StatusOr<KernelSymbols> KernelSymbols::Parse(std::string_view kallsyms) {
  Parser parser;
  while (!kallsyms.empty()) {
    const size_t newline = std::min(kallsyms.find('\n'), kallsyms.size());
    KILN_RETURN_IF_ERROR(parser.Take(kallsyms.substr(0, newline)));
    kallsyms.remove_prefix(std::min(newline + 1, kallsyms.size()));
  }
  return parser.Finish();
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
