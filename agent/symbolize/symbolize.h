// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/cli/symbolize_options.h"

namespace kiln::agent {

// `kiln symbolize`: names addresses from the options, else from standard input, on standard output; on stderr one
// sentence on why some have no name, and one on each file without lines. Returns the exit status: also success if
// nothing has a name; kDataError if a word of the input was no address.
int RunSymbolize(const SymbolizeOptions& options);

}  // namespace kiln::agent
