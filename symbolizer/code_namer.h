// SPDX-License-Identifier: Apache-2.0
// One rule for all who name code of an object file: who is asked first, and what each adds.
//
// 1. Go's own table, where it knows the address: it has the names by which Go's tools and profile-guided optimisation
//    know functions, and lines, stripped or not.
// 2. The line index; a function that DWARF has no name for gets that of its symbol. One that the kernel has the same
//    name for but for a suffix ("read.isra.0", "read.cold") keeps the kernel's, so that it is one function whether
//    lines are known or not, and the one that /proc/kallsyms and tracers know.
// 3. Symbols.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "symbolizer/demangled_names.h"
#include "symbolizer/go/go_names.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/symbol.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {

// What is known of the file; nullptr = nothing of the kind. All of it has to live longer than who names by it.
struct NameSources {
  const GoNames* go = nullptr;
  const LineIndex* lines = nullptr;
  const SymbolTable* symbols = nullptr;
  // Why `symbols` is nullptr.
  Miss symbols_miss = Miss::kNone;
};

// Names are put together once: the next address in the same functions costs no more than finding it (some 0.4 us with
// five inlined functions). Thread-compatible.
class CodeNamer {
 public:
  // `max_name_bytes` of demangled names are kept.
  explicit CodeNamer(NameSources sources, size_t max_name_bytes = DemangledNames::kMaxBytes)
      : sources_(sources), demangled_(max_name_bytes) {}

  struct Found {
    std::span<const LineView> lines;  // innermost inlined function first; empty on a miss. Valid until the next call
    Miss miss = Miss::kNone;
  };
  // `kernel_symbol` is instead of symbols for kernel code: the kernel's own name of the function, which is shown as it
  // is; "" = none.
  Found Find(ElfAddress address, std::string_view kernel_symbol = {});
  // The same, to keep.
  Naming Copy(ElfAddress address, std::string_view kernel_symbol = {});

 private:
  LineView Named(const LineIndex::Line& line, std::string_view name);
  LineView NamedByKernel(const LineIndex::Line& line, std::string_view kernel_symbol);

  NameSources sources_;
  DemangledNames demangled_;
  // Of the last address.
  std::vector<LineIndex::Line> at_;
  std::vector<LineView> lines_;
  Naming go_;
};

}  // namespace kiln::symbolizer
