// SPDX-License-Identifier: Apache-2.0
// Unwind rows for x86-64 code without unwind information (hand-written assembly, musl's C library, V8's builtins),
// derived from its instructions: derive_sweep.h finds what bears on unwinding, derive_flow.h follows it, derive_state.h
// knows what it does to the frame. Rules are flagged KILN_RULE_DERIVED. What stays unclear is KILN_SPECIAL_UNCLEAR, and
// counted by reason.
//
// A gap is analysed when its first page is asked for, since functions lead from one page to the next; a large one in
// parts, each with some code around it, since the first stacks are waiting for their page meanwhile. Rows are kept, 8
// bytes each.
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
// What is analysed at once, and how much around it. Functions are followed from their beginning if it lies in there.
// The first instructions of what lies around may be decoded wrongly, since one of them may begin before it.
inline constexpr uint64_t kDerivedPartBytes = 128 << 10;
inline constexpr uint64_t kDerivedMarginBytes = 32 << 10;

struct DeriveCounts {
  uint64_t parts = 0;
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

  // Of all that was analysed.
  const DeriveCounts& counts() const { return counts_; }

 private:
  struct Row {
    uint32_t offset;  // from the begin of the part
    uint32_t rule;    // index in rules_
  };
  struct Part {  // of a gap, or all of it
    CodeExtent extent;
    std::vector<Row> rows;
  };
  struct RuleHash {
    size_t operator()(const kiln_rule& rule) const;
  };
  struct RuleEqual {
    bool operator()(const kiln_rule& a, const kiln_rule& b) const { return a == b; }
  };

  // The part of `gap` that holds `address`.
  const Part& PartAt(const CodeExtent& gap, ElfAddress address);
  Part Analyse(const CodeExtent& extent, const CodeExtent& surroundings);
  // `flow` is that of the code from `begin` on.
  void AddFlow(const CodeFlow& flow, ElfAddress begin, Part& part);
  uint32_t RuleNumber(const kiln_rule& rule);

  const ElfFile& elf_;
  const uint8_t tracked_;
  std::optional<FunctionStarts> starts_;
  std::vector<Part> parts_;
  std::vector<kiln_rule> rules_;
  absl::flat_hash_map<kiln_rule, uint32_t, RuleHash, RuleEqual> rule_numbers_;
  DeriveCounts counts_;
};

}  // namespace kiln::symbolizer
