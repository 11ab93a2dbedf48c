// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/unwind/table_cache.h"
#include "agent/unwind/table_source.h"
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
    uint64_t tables = 0;         // object files that were compiled from, wholly or in part
    uint64_t failed_tables = 0;  // object files of which nothing could be read
    uint64_t debug_files = 0;    // tables with unwind information from a separate debug file
    uint64_t pages = 0;          // compiled
    uint64_t cached_pages = 0;   // taken from the disk instead
    uint64_t failed_pages = 0;
    uint64_t rows = 0;        // of the compiled pages
    uint64_t bytes = 0;       // of the compiled pages
    double cpu_seconds = 0;   // all of this object's work
    Status cache = Status();  // why the cache is off, in words for the user
  };

  // "" for no cache.
  explicit TableCompiler(const std::string& cache_folder);
  ~TableCompiler();

  // `table` names the object file, always the same one. `elf` is kept. `places` is where its debug file may be.
  CompiledPage Compile(uint32_t table, const std::shared_ptr<const symbolizer::ElfFile>& elf,
                       const DebugFilePlaces& places, uint32_t page);
  // Adds up to `limit` pages of a table that nobody has asked for yet and that the cache has. False if there are no
  // more of them. Other arguments as Compile's.
  bool TakeCached(uint32_t table, const std::shared_ptr<const symbolizer::ElfFile>& elf, const DebugFilePlaces& places,
                  size_t limit, std::vector<CompiledPage>& pages);
  // A page that nobody has asked for yet, of an object file of which others were compiled: code is run more than once,
  // and not only where it was seen. nullopt if there is none left.
  std::optional<CompiledPage> CompileAhead();
  // Writes what was compiled since the last call to the cache.
  void Store();
  // Stores what there is of a table, and closes what it was made from.
  void Forget(uint32_t table);

  const Counts& counts() const { return counts_; }

 private:
  struct Table;
  Table& Open(uint32_t table, const std::shared_ptr<const symbolizer::ElfFile>& elf, const DebugFilePlaces& places);
  void Close(Table& table);
  void Store(Table& table);
  bool TakeFromCache(Table& table, CompiledPage& page);
  void CompileNow(Table& table, CompiledPage& page);

  std::optional<TableCache> cache_;
  std::vector<std::unique_ptr<Table>> tables_;  // by number; nullptr = not opened
  size_t ahead_ = 0;                            // no table below it has pages left
  uint64_t unstored_bytes_ = 0;
  Counts counts_;
};

}  // namespace kiln::agent
