// SPDX-License-Identifier: Apache-2.0
// Unwind rows for x86-64 code without unwind information (hand-written assembly, musl's C library, V8's builtins),
// derived from its instructions: derive_sweep.h finds what bears on unwinding, derive_flow.h follows it, derive_state.h
// knows what it does to the frame. Rules are flagged KILN_RULE_DERIVED. What stays unclear is KILN_SPECIAL_UNCLEAR, and
// counted by reason.
//
// A gap is analysed as a whole when its first page is asked for, since functions lead from one page to the next. Its
// rows are kept, 8 bytes each.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/derive_flow.h"
#include "symbolizer/unwind/function_starts.h"
#include "symbolizer/unwind/row_source.h"

namespace kiln::symbolizer {

// The assembly of libx265 is 12 MB, V8's builtins are 2 MB.
inline constexpr uint64_t kMaxDerivedGapBytes = 64 << 20;

struct DeriveCounts {
  uint64_t gaps = 0;
  uint64_t instructions = 0;
  uint64_t functions = 0;
  uint64_t unclear_functions = 0;  // whose instructions contradict each other
  uint64_t derived_bytes = 0;
  uint64_t unread_bytes = 0;                            // of gaps that are too large, or can't be read
  std::array<uint64_t, kUnclearCount> unclear_bytes{};  // by enum Unclear
  uint64_t rows = 0;
};

// Thread-compatible.
class DerivedRows : public GapFiller {
 public:
  // `elf` must outlive this. `tracked`: as UnwindTableBuilder::tracked().
  DerivedRows(const ElfFile& elf, uint8_t tracked) : elf_(elf), tracked_(tracked) {}

  // False for other machines than x86-64, and for code that can't be read.
  bool Fill(const CodeExtent& gap, const CodeExtent& range, RowSink& sink) override;

  // Of all gaps that were analysed.
  const DeriveCounts& counts() const { return counts_; }

 private:
  struct Row {
    uint32_t offset;  // from the begin of the gap
    uint32_t rule;    // index in rules_
  };
  struct Gap {
    CodeExtent extent;
    std::vector<Row> rows;
  };
  struct RuleHash {
    size_t operator()(const kiln_rule& rule) const;
  };
  struct RuleEqual {
    bool operator()(const kiln_rule& a, const kiln_rule& b) const { return a == b; }
  };

  const Gap* FindGap(const CodeExtent& range) const;
  const Gap* Analyse(const CodeExtent& extent);
  void AddFlow(const CodeFlow& flow, uint32_t offset, Gap& gap);
  uint32_t RuleNumber(const kiln_rule& rule);

  const ElfFile& elf_;
  const uint8_t tracked_;
  std::optional<FunctionStarts> starts_;
  std::vector<Gap> gaps_;
  std::vector<kiln_rule> rules_;
  absl::flat_hash_map<kiln_rule, uint32_t, RuleHash, RuleEqual> rule_numbers_;
  DeriveCounts counts_;
};

}  // namespace kiln::symbolizer
