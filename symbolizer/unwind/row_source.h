// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "symbolizer/code_extent.h"
#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {

// One origin of unwind rows in a file. Thread-compatible.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // The extent that holds `from`, else the first one that begins behind it; nullopt if there is none. Extents ascend
  // and don't overlap.
  virtual std::optional<CodeExtent> Next(ElfAddress from) = 0;
  // Where the last extent ends that ends at or before `address`: there begins the gap that `address` is in. Address 0
  // if there is none, or if the source can't tell.
  virtual ElfAddress EndBefore(ElfAddress address) { return ElfAddress(0); }
  // Adds the rows of an extent that Next returned, the first one at its begin. What can't be read ends in a row
  // KILN_SPECIAL_DAMAGED. Nothing is added for what lies behind the extent.
  virtual void AddRows(const CodeExtent& extent, RowSink& sink) = 0;
};

// Makes rows for code that no source knows. Thread-compatible.
class GapFiller {
 public:
  virtual ~GapFiller() = default;
  // `gap` is executable code between two extents, all of it; `range` is the part of it that is asked for. Adds rows
  // that begin at range.begin and hold to range.end and returns true; or adds none and returns false, so that the next
  // filler is asked.
  virtual bool Fill(const CodeExtent& gap, const CodeExtent& range, RowSink& sink) = 0;
};

}  // namespace kiln::symbolizer
