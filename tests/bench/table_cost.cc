// SPDX-License-Identifier: Apache-2.0
// table_cost FILE…: makes the unwind tables of whole files and prints what that took and gave, as a JSON array.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln {
namespace {

// The fastest of a few: others use the machine, too.
constexpr int kRuns = 3;

struct Cost {
  uint64_t code_bytes = 0;  // of the executable segments
  uint64_t pages = 0;
  uint64_t rows = 0;
  uint64_t table_bytes = 0;
  double cpu_seconds = 0;  // opening included
};

StatusOr<Cost> MakeTable(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  KILN_ASSIGN_OR_RETURN(const symbolizer::ElfFile elf, symbolizer::ElfFile::Open(std::move(file)));
  Cost cost;
  for (const auto& segment : elf.segments()) {
    if (segment.executable) cost.code_bytes += segment.memory_size;
  }
  const double start = ThreadCpuSeconds();
  KILN_ASSIGN_OR_RETURN(const auto builder, symbolizer::UnwindTableBuilder::Open(elf));
  std::vector<uint32_t> words;
  for (uint32_t page = 0; page < builder->page_count(); ++page) {
    if (!builder->CompilePage(page, words) || words.empty()) continue;
    ++cost.pages;
    cost.rows += reinterpret_cast<const kiln_page*>(words.data())->row_count;
    cost.table_bytes += words.size() * sizeof(words[0]);
  }
  cost.cpu_seconds = ThreadCpuSeconds() - start;
  return cost;
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  std::string separator;
  fmt::print("[");
  for (int i = 1; i < argc; ++i) {
    kiln::StatusOr<kiln::Cost> best = kiln::MakeTable(argv[i]);
    if (!best.ok()) {
      fmt::print(stderr, "table_cost: {}: {}\n", argv[i], kiln::Message(best.status()));
      continue;
    }
    for (int run = 1; run < kiln::kRuns; ++run) {
      if (const auto again = kiln::MakeTable(argv[i]); again.ok() && again->cpu_seconds < best->cpu_seconds)
        best = again;
    }
    fmt::print("{}{{\"path\":\"{}\",\"code_bytes\":{},\"pages\":{},\"rows\":{},\"table_bytes\":{},\"cpu_seconds\":{}}}",
               separator, argv[i], best->code_bytes, best->pages, best->rows, best->table_bytes, best->cpu_seconds);
    separator = ",\n";
  }
  fmt::print("]\n");
}
