// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

std::string_view UnwindIssueText(UnwindIssue issue) {
  switch (issue) {
#define ISSUE(name, text) \
  case UnwindIssue::k##name: return text;
#include "symbolizer/unwind/unwind_issues.def"
#undef ISSUE
  }
  return "unknown";
}

UnwindCounts& UnwindCounts::operator+=(const UnwindCounts& other) {
  fdes += other.fdes;
  raw_rows += other.raw_rows;
  for (size_t i = 0; i < issues.size(); ++i) issues[i] += other.issues[i];
  return *this;
}

}  // namespace kiln::symbolizer
