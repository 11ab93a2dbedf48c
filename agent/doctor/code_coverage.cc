// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/code_coverage.h"

#include <elf.h>

#include <algorithm>

#include "symbolizer/unwind/page_reader.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;

constexpr uint64_t kPageBytes = uint64_t{1} << KILN_PAGE_SHIFT;

uint64_t& BytesOfKind(CodeCoverage& coverage, const kiln_rule& rule) {
  if (rule.cfa_kind != KILN_CFA_SPECIAL) return (rule.flags & KILN_RULE_DERIVED) != 0 ? coverage.derived : coverage.cfi;
  switch (rule.cfa_offset) {
    case KILN_SPECIAL_ROOT: return coverage.cfi;
    case KILN_SPECIAL_UNCLEAR: return coverage.unclear;
    case KILN_SPECIAL_INEXPRESSIBLE: return coverage.inexpressible;
    case KILN_SPECIAL_DAMAGED: return coverage.damaged;
    default: return coverage.without;
  }
}

uint64_t BytesInCode(const CodeRanges& code, uint64_t begin, uint64_t end) {
  uint64_t bytes = 0;
  auto range = std::ranges::upper_bound(code, begin, {}, &CodeRanges::value_type::first);
  if (range != code.begin()) --range;
  for (; range != code.end() && range->first < end; ++range) {
    const uint64_t from = std::max(begin, range->first), to = std::min(end, range->second);
    if (from < to) bytes += to - from;
  }
  return bytes;
}

// Adds the rows of one page, which begins at ELF address `base`.
void AddPage(const symbolizer::UnwindMachine& machine, std::span<const uint32_t> words, uint64_t base,
             const CodeRanges& code, CodeCoverage& coverage) {
  uint64_t row_begin = base;
  uint64_t* bytes = nullptr;
  const auto end_row = [&](uint64_t end) {
    const uint64_t covered = BytesInCode(code, row_begin, end);
    if (covered == 0) return;
    ++coverage.rows;
    *bytes += covered;
  };
  symbolizer::VisitRows(machine, words, [&](uint32_t offset, const kiln_rule& rule) {
    if (bytes != nullptr) end_row(base + offset);
    row_begin = base + offset;
    bytes = &BytesOfKind(coverage, rule);
  });
  if (bytes == nullptr) bytes = &coverage.damaged;
  end_row(base + kPageBytes);
}

}  // namespace

CodeRanges FindCode(const ElfFile& elf, uint64_t begin, uint64_t end) {
  CodeRanges all;
  const auto add = [&](ElfAddress address, uint64_t size) {
    const uint64_t from = std::max(begin, address.value());
    const uint64_t to = std::min(end, address.value() + std::min(size, UINT64_MAX - address.value()));
    if (from < to) all.emplace_back(from, to);
  };
  constexpr uint64_t kCode = SHF_ALLOC | SHF_EXECINSTR;
  bool has_sections = false;
  for (const ElfFile::Section& section : elf.sections()) {
    if ((section.flags & kCode) != kCode || section.type == SHT_NOBITS) continue;
    has_sections = true;
    add(section.address, section.size);
  }
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (!has_sections && segment.executable) add(segment.address, segment.file_size);
  }
  std::ranges::sort(all);
  CodeRanges merged;
  for (const auto& range : all) {
    if (!merged.empty() && range.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CodeCoverage MeasureCoverage(symbolizer::UnwindTableBuilder& builder, const CodeRanges& code) {
  CodeCoverage coverage;
  const uint64_t base = builder.base().value();
  uint64_t next_page = 0;
  std::vector<uint32_t> words;
  for (const auto& [begin, end] : code) {
    coverage.code += end - begin;
    if (end <= base) continue;
    const uint64_t last = std::min<uint64_t>((end - 1 - base) / kPageBytes + 1, builder.page_count());
    for (uint64_t page = std::max(next_page, (std::max(begin, base) - base) / kPageBytes); page < last; ++page) {
      builder.CompilePage(static_cast<uint32_t>(page), words);
      coverage.table_bytes += words.size() * sizeof(words[0]);
      AddPage(builder.machine(), words, base + page * kPageBytes, code, coverage);
      next_page = page + 1;
    }
  }
  const uint64_t told = coverage.walkable() + coverage.unclear + coverage.inexpressible + coverage.damaged;
  coverage.without = coverage.code - std::min(coverage.code, told);  // and what lies outside of the table
  return coverage;
}

}  // namespace kiln::agent
