// SPDX-License-Identifier: Apache-2.0
// One rule for all who name code of an object file: who is asked first, and what each adds.
#pragma once

#include <functional>
#include <string_view>

#include "base/address.h"
#include "symbolizer/demangled_names.h"
#include "symbolizer/go/go_names.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/symbol.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {

// What is known of the file; nullptr = nothing of the kind.
struct NameSources {
  const GoNames* go = nullptr;
  const LineIndex* lines = nullptr;
  const SymbolTable* symbols = nullptr;
  // Keeps what was demangled of `lines`; nullptr = nobody does.
  DemangledNames* demangled = nullptr;
  // Why `symbols` is nullptr.
  Miss symbols_miss = Miss::kNone;
};

// 1. Go's own table, where it knows the address: it has the names by which Go's tools and profile-guided optimisation
//    know functions, and lines, stripped or not.
// 2. The line index; a function that DWARF has no name for gets that of its symbol.
// 3. Symbols.
Naming NameCode(const NameSources& sources, ElfAddress address);

}  // namespace kiln::symbolizer
