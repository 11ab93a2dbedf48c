// SPDX-License-Identifier: Apache-2.0
// From the state of a frame in call frame information to the rule in a table.
#pragma once

#include "bpf/unwind_table.h"
#include "symbolizer/unwind/cfi_program.h"
#include "symbolizer/unwind/machine.h"
#include "symbolizer/unwind/unwind_issues.h"

namespace kiln::symbolizer {

// The rule that does the same as `state`; special ones for the outermost frame and for what a rule can't hold, which is
// counted. `keeps_tracked`: the column kTracked means something. `signal_frame`: the CIE says that the caller was
// interrupted. No allocation.
kiln_rule RuleFromState(const UnwindMachine& machine, const CfiState& state, bool keeps_tracked, bool signal_frame,
                        UnwindCounts& counts);

// The rule of the code that a signal handler returns to: all registers from what the kernel saved.
kiln_rule SignalTrampolineRule(const UnwindMachine& machine);

}  // namespace kiln::symbolizer
