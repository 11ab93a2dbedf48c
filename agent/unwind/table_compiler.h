// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "symbolizer/elf_file.h"

namespace kiln::agent {

// One page of a table (bpf/unwind_table.h).
struct CompiledPage {
  uint32_t table;
  uint32_t page;
  uint8_t tracked;              // kiln_directory.tracked of the table
  std::vector<uint32_t> words;  // struct kiln_page; empty if it could not be made
};

// Makes pages of unwind tables from object files, or takes them from the cache on disk. Thread-compatible.
class TableCompiler {
 public:
  struct Counts {
    uint64_t tables = 0;         // object files with at least one page
    uint64_t failed_tables = 0;  // object files of which nothing could be read
    uint64_t pages = 0;          // compiled
    uint64_t cached_pages = 0;   // taken from the disk instead
    uint64_t failed_pages = 0;
    uint64_t rows = 0;  // of the compiled pages
    uint64_t bytes = 0;
    double cpu_seconds = 0;  // of compiling
  };

  // "" for no cache.
  explicit TableCompiler(const std::string& cache_folder);
  ~TableCompiler();

  // `table` names the object file, always the same one.
  CompiledPage Compile(uint32_t table, const symbolizer::ElfFile& elf, uint32_t page);
  // Writes what was compiled since the last call to the cache.
  void Store();

  const Counts& counts() const { return counts_; }

 private:
  struct Table;
  Table& Open(uint32_t table, const symbolizer::ElfFile& elf);

  std::vector<std::unique_ptr<Table>> tables_;  // by number; nullptr = not opened
  Counts counts_;
};

}  // namespace kiln::agent
