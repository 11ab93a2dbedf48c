// SPDX-License-Identifier: Apache-2.0
// What unwind information a table lacks, and why, as counts per file. Data, not errors: the rest of the table is good.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kiln::symbolizer {

enum class UnwindIssue : uint8_t {
#define ISSUE(name, text) k##name,
#include "symbolizer/unwind/unwind_issues.def"
#undef ISSUE
};
inline constexpr size_t kUnwindIssueCount = 0
#define ISSUE(name, text) +1
#include "symbolizer/unwind/unwind_issues.def"
#undef ISSUE
    ;

// For a user, without a full stop.
std::string_view UnwindIssueText(UnwindIssue issue);

// What was read, and what was not. Issues of rows are counted when the row is made: a page that is made twice counts
// twice.
struct UnwindCounts {
  uint64_t fdes = 0;      // entries of the index
  uint64_t raw_rows = 0;  // from call frame information, before equal neighbours are merged
  std::array<uint64_t, kUnwindIssueCount> issues{};

  void Count(UnwindIssue issue) { ++issues[static_cast<size_t>(issue)]; }
  uint64_t operator[](UnwindIssue issue) const { return issues[static_cast<size_t>(issue)]; }
  UnwindCounts& operator+=(const UnwindCounts& other);
};

}  // namespace kiln::symbolizer
