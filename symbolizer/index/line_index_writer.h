// SPDX-License-Identifier: Apache-2.0
// Makes a line index. Units are handed over one after the other in any order of addresses; what grows with the code
// lies in temporary files, so that memory is taken by names and by one entry per piece of code alone.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "symbolizer/index/line_index_format.h"
#include "symbolizer/name_pool.h"
#include "symbolizer/scratch_file.h"

namespace kiln::symbolizer {

struct LineInterval {
  uint64_t start;
  uint32_t node;
  uint32_t line;
  uint16_t column;
};

// Limits of one index: those of its numbers, and of what is sensible on a disk.
inline constexpr uint64_t kMaxLineIntervals = 256 << 20;
inline constexpr uint64_t kMaxLineNodes = 128 << 20;
// Longer names and paths are cut.
inline constexpr size_t kMaxIndexedTextBytes = 16 * 1024;

// Thread-compatible.
class LineIndexWriter {
 public:
  // Temporary files in `scratch_folder`; "" = in memory.
  static StatusOr<LineIndexWriter> Create(const std::string& scratch_folder);

  // Equal ones get equal numbers. An empty path is 0.
  uint32_t AddFile(std::string_view path);
  uint32_t AddFunction(std::string_view name, bool is_linkage, uint32_t start_line);
  // The parent was added before.
  uint32_t AddNode(const LineIndexNode& node);
  // A piece of code from the first interval's start to `end`, without gaps: each interval ends where the next one
  // starts. Where pieces overlap, the one that starts first counts; of those that start together the one with
  // functions, then the one that was added first.
  void AddPiece(std::span<const LineInterval> intervals, uint64_t end, bool has_function);

  // Counts of the making, copied into the header.
  struct Facts {
    uint64_t debug_bytes = 0;
    uint32_t units = 0;
    uint32_t damaged_units = 0;
    uint32_t missing_units = 0;
    uint32_t dropped_ranges = 0;
  };
  // Writes the index to the empty file `fd`. The first error of anything before; kResourceExhausted beyond the limits.
  Status Finish(int fd, const Facts& facts);

 private:
  struct Record {     // of an interval in its scratch file
    uint32_t offset;  // from the piece's start
    uint32_t node;
    uint32_t line;
    uint16_t column;
    uint16_t unused;
  };
  struct Piece {
    uint64_t start;
    uint64_t end;
    uint64_t first_record;
    uint32_t records;
    bool has_function;
  };
  class Output;

  LineIndexWriter(ScratchFile records, ScratchFile nodes)
      : records_(std::move(records)), nodes_(std::move(nodes)), files_(1) {}
  uint32_t AddString(std::string_view text);
  LineIndexText TextAt(uint32_t offset) const;
  // Brings the pieces into order, and cuts what overlaps.
  void ResolveOverlaps();
  // Calls visit(start, const Record*) for each interval in ascending order; nullptr for a gap. Before them, visit of a
  // new area comes through `area`.
  template <typename Visit, typename Area>
  void VisitIntervals(std::span<const Record> records, Visit visit, Area area) const;

  ScratchFile records_;
  ScratchFile nodes_;
  std::vector<Piece> pieces_;
  NamePool strings_;
  absl::flat_hash_map<uint64_t, uint32_t> string_of_hash_;  // of two texts with one hash the second is stored anew
  absl::flat_hash_map<uint32_t, uint32_t> file_of_string_;
  std::vector<LineIndexText> files_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> function_of_;
  std::vector<LineIndexFunction> functions_;
  uint64_t interval_count_ = 0;
  uint64_t node_count_ = 0;
  uint32_t dropped_pieces_ = 0;
  bool overflow_ = false;
};

}  // namespace kiln::symbolizer
