// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/unwind/shared_memory.h"
#include "agent/unwind/table_worker.h"
#include "base/address.h"
#include "base/status.h"
#include "symbolizer/elf_file.h"

namespace kiln::agent {

// One page of one table: what a walk may lack.
struct PageId {
  uint32_t table;
  uint32_t page;
  friend bool operator==(const PageId&, const PageId&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const PageId& id) {
    return H::combine(std::move(hash), id.table, id.page);
  }
};

// The unwind tables in table memory: a directory per object file, pages as they are asked for. When memory runs out,
// the pages that no walk used for longest go. Thread-compatible.
class UnwindTables {
 public:
  struct Counts {
    uint64_t loaded_pages = 0;   // now
    uint64_t page_bytes = 0;     // of those
    uint64_t evicted_pages = 0;  // since the start
    uint64_t refused_pages = 0;  // compiled, but there was no room
  };
  struct Table {
    kiln_ref directory;
    ElfAddress base;  // of byte 0 of page 0
  };

  UnwindTables(SharedMemory& memory, TableWorker& worker) : memory_(memory), worker_(worker) {}

  // The table of the object file that the caller numbers `object`. Makes its directory, with no page loaded.
  // kUnavailable if there is no memory for that now; other errors last: the file has no code, or too much. `elf` must
  // stay. `places` is asked only at first, for where the file's debug file may be.
  StatusOr<Table> Find(uint32_t object, const symbolizer::ElfFile& elf, absl::FunctionRef<DebugFilePlaces()> places);
  // The page that holds `address` of a file; nullopt if it has none there.
  std::optional<PageId> PageOf(kiln_ref directory, uint64_t offset) const;

  // Has the page made unless it is there or under way. False if it can't be had: it failed, or was refused too often.
  bool Request(PageId id);
  // The same for a page that is probably needed: after those that are.
  void RequestLikely(PageId id);
  // Whether the page is not there.
  bool Lacks(PageId id) const { return objects_.at(id.table).pages[id.page] != PageState::kLoaded; }
  // Puts a page from the worker into place. False if there is no room yet: to be offered again after the next wait for
  // readers (SharedMemory), for which pages have been retired.
  bool Place(const CompiledPage& page);
  // For a user of the memory that found no room for `bytes`: sees to it that there will be some after the next waits.
  void MakeRoom(size_t bytes);

  // Begins a new period of use. Its number is what the walk is to note from now on.
  uint32_t NextEpoch() { return ++epoch_; }
  uint32_t epoch() const { return epoch_; }

  const Counts& counts() const { return counts_; }

 private:
  enum class PageState : uint8_t { kMissing, kRequested, kLoaded, kFailed };
  struct Object {
    const symbolizer::ElfFile* elf;
    std::shared_ptr<const DebugFilePlaces> places;
    Table table;
    uint32_t page_count;
    std::vector<PageState> pages;
    std::vector<uint8_t> refused;  // times that a page found no room
  };
  struct LoadedPage {
    PageId id;
    kiln_ref ref;
    uint32_t bytes;
  };

  kiln_directory* DirectoryOf(const Object& object);
  std::optional<kiln_ref> AllocateEvicting(size_t bytes);
  void Evict(size_t bytes);

  SharedMemory& memory_;
  TableWorker& worker_;
  std::unordered_map<uint32_t, Object> objects_;
  std::vector<LoadedPage> loaded_;
  uint32_t epoch_ = 1;
  uint64_t eviction_free_after_ = 0;  // waits of the SharedMemory after which the last eviction has made room
  Counts counts_;
};

}  // namespace kiln::agent
