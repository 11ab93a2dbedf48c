// SPDX-License-Identifier: Apache-2.0
// jit-PID.dump: what a runtime tells about the code that it makes, in records: names, files and lines, moves, and the
// code itself, which is passed over. Written by Node.js (--perf-prof), OpenJDK (perf's libperf-jvmti), LLVM, .NET,
// Mono, Wasmtime, LuaJIT, PHP and others.
//
// The file only grows. It is read once and from there on only what was added; a record that is cut at the end is left
// for the next time. Of code that overlaps the newest counts: records come in the order of time.
//
// Format: tools/perf/Documentation/jitdump-specification.txt in Linux. Two things are not in it:
//   - V8 adds the size of an ELF header to the addresses of its lines, because perf inject puts one before the code. It
//     is told by the first address and by the names that V8 gives.
//   - V8 up to Node.js 20 writes freed memory where names of files belong. Lines that can't be right (addresses outside
//     of the function, names with control characters) are dropped, all of that function.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/byte_reader.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/status.h"
#include "symbolizer/generated_code.h"
#include "symbolizer/symbol.h"

namespace kiln::symbolizer {

struct JitDumpLimits {
  // What is read of a file in all; passing over code costs nothing.
  uint64_t max_read_bytes = uint64_t{256} << 20;
  // Of names, lines and addresses.
  size_t max_memory_bytes = 64 << 20;
  // Ranges that are moved in all. A move of many costs more than its record.
  size_t max_moves = 4 << 20;
};

// Thread-compatible.
class JitDump {
 public:
  explicit JitDump(const JitDumpLimits& limits = {}) : limits_(limits) {}
  // What the file has now. Errors as of Update.
  static StatusOr<JitDump> Read(const File& file, const JitDumpLimits& limits = {});

  // Takes in what was added to the file since the last time; `file` is the same each time. What was read before an
  // error stays. kInvalidArgument if it is no jitdump, kUnimplemented if one of another machine, byte order or version,
  // kDataLoss if it is damaged so that no record behind can be found, kResourceExhausted beyond a limit; those say so
  // again each time. Others if it can't be read.
  Status Update(const File& file);

  // One line, or kNotCovered. Names are given as they are, except that C++ and Rust names are demangled.
  Naming Lookup(ProcessAddress address) const { return code_.Lookup(address); }

  // The process that wrote it, by the pid that it sees itself; 0 while the header is not written.
  Pid pid() const { return pid_; }
  // Functions that were taken, also if they are hidden by later ones.
  size_t size() const { return size_; }
  // Records, and lines of functions, that make no sense and were passed over.
  size_t damaged_records() const { return damaged_records_; }
  size_t damaged_lines() const { return damaged_lines_; }
  // How far the file is known.
  uint64_t read_bytes() const { return read_; }
  size_t memory_bytes() const { return code_.memory_bytes() + pending_bytes_; }

 private:
  static constexpr size_t kHeaderBytes = 40;

  // JIT_CODE_DEBUG_INFO, which comes before its JIT_CODE_LOAD.
  struct DebugInfo {
    struct Line {
      uint64_t address;
      uint32_t line;
      uint32_t file;  // in files
    };
    uint64_t code;
    std::vector<Line> lines;
    std::vector<std::string> files;
    size_t memory_bytes() const;
  };
  class Window;

  Status TakeHeader(const File& file, uint64_t size);
  Status TakeRecords(const File& file, uint64_t size);
  // These get a record without its head: `size` bytes from `offset` on. False if it makes no sense.
  StatusOr<bool> TakeRecord(Window& window, uint32_t id, uint64_t offset, uint64_t size);
  StatusOr<bool> TakeLoad(Window& window, uint64_t offset, uint64_t size);
  StatusOr<bool> TakeMove(Window& window, uint64_t offset, uint64_t size);
  StatusOr<bool> TakeDebugInfo(Window& window, uint64_t offset, uint64_t size);
  static StatusOr<bool> ReadDebugInfo(Window& window, uint64_t offset, uint64_t size, DebugInfo& info);
  std::vector<GeneratedCode::Line> LinesFor(uint64_t code, uint64_t size, std::string_view name);
  bool WasReplaced(const File& file, uint64_t size) const;

  JitDumpLimits limits_;
  GeneratedCode code_;
  std::array<std::byte, kHeaderBytes> header_{};
  Pid pid_;
  uint64_t read_ = 0;        // up to here the file is known; 0 = not even its header
  uint64_t read_bytes_ = 0;  // what was read of it, for the limit
  size_t size_ = 0;
  size_t damaged_records_ = 0;
  size_t damaged_lines_ = 0;
  size_t moves_ = 0;
  std::deque<DebugInfo> pending_;  // without their functions
  size_t pending_bytes_ = 0;
  Status given_up_ = absl::OkStatus();
};

}  // namespace kiln::symbolizer
