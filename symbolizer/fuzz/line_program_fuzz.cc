// SPDX-License-Identifier: Apache-2.0
// Line programs of any bytes. Rows have to ascend within a sequence, each sequence has to end, and paths stay within
// their limits. The first byte chooses the size of addresses of the unit and the offset at which the program begins.
#include <cstdint>
#include <cstdlib>

#include "symbolizer/dwarf/line_program.h"

using namespace kiln::symbolizer::dwarf;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  // Strings of DWARF 5 come out of the program's own bytes.
  const Sections sections{.line = bytes, .str = bytes, .line_str = bytes, .str_offsets = bytes};
  UnitView unit{.sections = &sections};
  unit.header.encoding = {.version = 5, .address_size = static_cast<uint8_t>((data[0] & 1) != 0 ? 4 : 8)};
  const LineTable table = LineTable::Read(unit, data[0] >> 1, "/folder", "unit.cc");
  const auto& rows = table.rows();
  Check(rows.empty() || rows.back().ends_sequence);
  Check(rows.size() <= kMaxLineRows);
  for (size_t i = 0; i + 1 < rows.size(); ++i) {
    Check(rows[i].ends_sequence || rows[i].address <= rows[i + 1].address);
  }
  for (uint64_t number = 0; number < 64; ++number) Check(table.File(number).size() <= 3 * 4096 + 2);
  Check(table.File(UINT64_MAX).empty());
  return 0;
}
