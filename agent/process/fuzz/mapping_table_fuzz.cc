// SPDX-License-Identifier: Apache-2.0
// MappingTable against the simplest model there is: an array with one entry per address. Each four bytes are one
// Insert.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "agent/process/mapping_table.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

constexpr std::array<const char*, 4> kPaths = {"/a", "/b", "", "[vdso]"};
constexpr uint64_t kBase = 0x1000;
constexpr size_t kAddresses = 512;
constexpr size_t kMaxBytes = 1024;  // longer inputs only cost time

struct Cell {
  size_t path;
  uint64_t offset;  // of this address in the file; 0 if there is none
  friend bool operator==(const Cell&, const Cell&) = default;
};
using Model = std::array<std::optional<Cell>, kAddresses>;

void Check(bool condition) {
  if (!condition) std::abort();
}

bool InsertInto(Model& model, size_t first, size_t length, size_t path, uint64_t offset) {
  const bool is_file = kPaths[path][0] == '/';
  bool replaced = false;
  for (size_t i = 0; i < length; ++i) {
    const Cell cell{path, is_file ? offset + i : 0};
    replaced = replaced || (model[first + i] && *model[first + i] != cell);
    model[first + i] = cell;
  }
  return replaced;
}

void Compare(const MappingTable& table, const Model& model) {
  for (size_t i = 0; i < kAddresses; ++i) {
    const Mapping* found = table.Find(ProcessAddress(kBase + i));
    Check((found != nullptr) == model[i].has_value());
    if (found == nullptr) continue;
    Check(found->path == kPaths[model[i]->path]);
    const uint64_t in_mapping = kBase + i - found->start.value();
    Check(!found->is_file() || found->offset.value() + in_mapping == model[i]->offset);
  }
  ProcessAddress last;
  for (const auto& [start, mapping] : table) {
    Check(start == mapping.start && mapping.start < mapping.end && last <= start);
    last = mapping.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MappingTable table;
  Model model;
  size = std::min(size, kMaxBytes);
  for (; size >= 4; data += 4, size -= 4) {
    const size_t first = data[0], length = data[1];
    const size_t path = data[2] % kPaths.size();
    const uint64_t offset = data[3] * uint64_t{16};
    const bool replaced = table.Insert({.start = ProcessAddress(kBase + first),
                                        .end = ProcessAddress(kBase + first + length),
                                        .offset = FileOffset(offset),
                                        .path = kPaths[path]});
    Check(replaced == InsertInto(model, first, length, path, offset));
  }
  Compare(table, model);
  return 0;
}
