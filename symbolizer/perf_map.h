// SPDX-License-Identifier: Apache-2.0
// /tmp/perf-PID.map: names of code that a process made at run time, one per line, "START SIZE symbol" with both numbers
// in hexadecimal. The convention of perf (tools/perf/Documentation/jit-interface.txt); written by Node.js, JVM agents,
// .NET, Python, LuaJIT, Erlang and others.
//
// The file only grows: code that was freed stays in it, and its addresses return with other names. Where lines overlap
// the later one wins. The process may be writing: a last line without a newline is left out.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/address.h"
#include "base/file.h"
#include "base/status.h"
#include "symbolizer/named_intervals.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

// About half a million functions. The text and the table are in memory at the same time while it is made.
inline constexpr size_t kMaxPerfMapBytes = 64 << 20;

// Immutable; thread-safe.
class PerfMap {
 public:
  // Never fails for damage: lines that are none are counted. kResourceExhausted beyond kMaxPerfMapBytes.
  static StatusOr<PerfMap> Parse(std::string_view text);
  // Reads what the file has now. kResourceExhausted if that is more than `limit_bytes`.
  static StatusOr<PerfMap> Read(const File& file, size_t limit_bytes = kMaxPerfMapBytes);

  // One line, or kNotCovered. Names are given as they are, except that C++ and Rust names are demangled.
  Naming Lookup(ProcessAddress address) const;

  // Lines that were taken, also if they are hidden by later ones.
  size_t size() const { return size_; }
  size_t damaged_lines() const { return damaged_lines_; }
  size_t memory_bytes() const { return functions_.memory_bytes(); }

 private:
  NamedIntervals functions_;
  size_t size_ = 0;
  size_t damaged_lines_ = 0;
};

}  // namespace kiln::symbolizer
