// SPDX-License-Identifier: Apache-2.0
// /tmp/perf-PID.map: names of code that a process made at run time, one per line, "START SIZE symbol" with both numbers
// in hexadecimal. The convention of perf (tools/perf/Documentation/jit-interface.txt); written by Node.js, JVM agents,
// .NET, Python, PHP, LuaJIT, Erlang and others.
//
// The file only grows: code that was freed stays in it, and its addresses return with other names. Where lines overlap
// the later one wins. So it is read once, and from there on only what was added. Some runtimes write it anew instead
// (jcmd Compiler.perfmap): a file that is shorter than before, or has other bytes where reading ended, is read from its
// begin. The process may be writing: a last line without a newline is left for the next time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "base/file.h"
#include "base/status.h"
#include "symbolizer/generated_code.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

struct PerfMapLimits {
  // What lies behind is not read. A second's work.
  uint64_t max_file_bytes = uint64_t{256} << 20;
  // Of names and addresses: about half a million functions.
  size_t max_memory_bytes = 64 << 20;
};

// Thread-compatible.
class PerfMap {
 public:
  explicit PerfMap(const PerfMapLimits& limits = {}) : limits_(limits) {}
  // A map of this text. Never fails for damage: lines that are none are counted. kResourceExhausted beyond a limit.
  static StatusOr<PerfMap> Parse(std::string_view text, const PerfMapLimits& limits = {});
  // A map of what the file has now. Errors as of Update.
  static StatusOr<PerfMap> Read(const File& file, const PerfMapLimits& limits = {});

  // Takes in what was added to the file since the last time; `file` is the same each time. What was read before an
  // error stays. kResourceExhausted beyond a limit, kDataLoss if it begins with kMaxNoise bytes without a single good
  // line or has as many without a newline, others if it can't be read. All but the last say so again each time.
  Status Update(const File& file);

  // One line, or kNotCovered. Names are given as they are, except that C++ and Rust names are demangled.
  Naming Lookup(ProcessAddress address) const { return code_.Lookup(address); }

  // Lines that were taken, also if they are hidden by later ones.
  size_t size() const { return size_; }
  size_t damaged_lines() const { return damaged_lines_; }
  // How far the file was read.
  uint64_t read_bytes() const { return read_; }
  size_t memory_bytes() const { return code_.memory_bytes(); }

  static constexpr uint64_t kMaxNoise = 1 << 20;

 private:
  // Takes the whole lines of `text`, tells how many bytes that are.
  StatusOr<size_t> Take(std::string_view text);
  bool TakeLine(std::string_view line);
  bool WasReplaced(const File& file, uint64_t size) const;

  PerfMapLimits limits_;
  GeneratedCode code_;
  size_t size_ = 0;
  size_t damaged_lines_ = 0;
  uint64_t read_ = 0;            // of the file
  uint64_t long_line_ = 0;       // bytes of the line that is passed over up to its newline; 0 = none
  std::array<char, 64> tail_{};  // the last bytes before read_ …
  size_t tail_size_ = 0;         // … as many as there are
  Status given_up_ = absl::OkStatus();
};

}  // namespace kiln::symbolizer
