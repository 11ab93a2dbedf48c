// SPDX-License-Identifier: Apache-2.0
// The keys of `kiln top` and what its columns mean, for the manual and for the screen itself.
#pragma once

#include <array>
#include <string_view>

namespace kiln::agent {

struct TopHelpEntry {
  std::string_view term;     // at most 11 columns
  std::string_view meaning;  // fits a line of a screen
};

inline constexpr std::array<TopHelpEntry, 9> kTopKeys = {{
    {"q", "quit"},
    {"space, p", "stop the table, or let it go on; sampling goes on meanwhile"},
    {"s", "order functions by self, total or CPU"},
    {"b", "lines are functions, processes or threads"},
    {"t", "call tree, or table"},
    {"k", "show the kernel's functions, or count them as their callers'"},
    {"/", "show only what contains a text; Enter keeps it, Esc ends it"},
    {"arrows", "scroll; also PgUp, PgDn, Home, End"},
    {"h, ?", "help; any key leaves it"},
}};

inline constexpr std::array<TopHelpEntry, 6> kTopColumns = {{
    {"%", "of the CPU time that was sampled in the interval"},
    {"self%", "the part that was spent in the function itself"},
    {"total%", "the part that was spent in the function and in what it calls"},
    {"CPU", "how many CPUs it keeps busy, on average; functions: in themselves"},
    {"process", "functions: the one that has most of it; +2: two others have it too"},
    {"hottest", "the function that most of a process's or thread's own time is in"},
}};

}  // namespace kiln::agent
