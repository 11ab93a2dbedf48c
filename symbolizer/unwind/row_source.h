// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {

// Code that one record of unwind information covers: an FDE, a Go function, a stretch that rules were derived for.
struct CodeExtent {
  ElfAddress begin;
  ElfAddress end;  // exclusive
};

// One origin of unwind rows in a file. Thread-compatible.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // The extent that holds `from`, else the first one that begins behind it; nullopt if there is none. Extents ascend
  // and don't overlap.
  virtual std::optional<CodeExtent> Next(ElfAddress from) = 0;
  // Adds the rows of an extent that Next returned, the first one at its begin. What can't be read ends in a row
  // KILN_SPECIAL_DAMAGED. Nothing is added for what lies behind the extent.
  virtual void AddRows(const CodeExtent& extent, RowSink& sink) = 0;
};

}  // namespace kiln::symbolizer
