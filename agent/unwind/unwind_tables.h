// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
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

// The unwind tables in table memory: a directory per object file, pages as they are asked for.
//
// When memory runs out, the coldest pages go: in which of the last periods a page was used is remembered, a bit each,
// the last one weighing most. How much may go is limited, for else a load that needs more than there is would have
// pages made and thrown away without end: a part of the memory in each period, more after quiet times, and pages that
// were used in the last two periods only for others that were missed often. A page that finds no room under this rule
// is marked, so that walks which need it end there (KILN_STOP_MEMORY_FULL), and how often that happens is counted: in
// the next period the pages that were missed most come first.
//
// Thread-compatible.
class UnwindTables {
 public:
  struct Counts {
    uint64_t loaded_pages = 0;   // now
    uint64_t page_bytes = 0;     // of those
    uint64_t evicted_pages = 0;  // since the start
    uint64_t refused_pages = 0;  // times that a page was asked for and there was no room
  };
  enum class Answer : uint8_t {
    kComes,   // it is there or under way
    kFailed,  // it can't be made
    kNoRoom,  // not before the next period
  };
  struct Table {
    kiln_ref directory;
    ElfAddress base;  // of byte 0 of page 0
  };

  UnwindTables(SharedMemory& memory, TableWorker& worker);

  // The table of the object file that the caller numbers `object`. Makes its directory, with no page loaded.
  // kUnavailable if there is no memory for that now; other errors last: the file has no code, or too much. `elf` is
  // kept. `places` is asked only at first, for where the file's debug file may be.
  StatusOr<Table> Find(uint32_t object, std::shared_ptr<const symbolizer::ElfFile> elf,
                       absl::FunctionRef<DebugFilePlaces()> places);
  // Forgets the tables of all other objects, but those with pages under way. Nothing may refer to their directories any
  // more but walks that run now.
  void ForgetAllBut(const absl::flat_hash_set<uint32_t>& objects);
  // The page that holds `address` of a file; nullopt if it has none there.
  std::optional<PageId> PageOf(kiln_ref directory, uint64_t offset) const;

  // Has the page made unless it is there or under way. For each walk that lacks a page: that is how its heat is known.
  Answer Request(PageId id);
  // Has a page made that is probably needed, after those that are, if there is room.
  void RequestLikely(PageId id);
  // Whether the page is not there, though its table is.
  bool Lacks(PageId id) const {
    const auto object = objects_.find(id.table);
    return object != objects_.end() && object->second.pages[id.page] != PageState::kLoaded;
  }
  size_t size() const { return objects_.size(); }
  // Puts a page from the worker into place. False if there is no room yet: to be offered again after the next wait for
  // readers (SharedMemory), for which pages have been retired. True if it is there, or refused, or its table is
  // forgotten.
  bool Place(const CompiledPage& page);
  // The same for a page that nobody has asked for. It counts as idle until it is used.
  bool PlaceAhead(const CompiledPage& page);
  // For a user of the memory that found no room for `bytes`: sees to it that there will be some after the next waits.
  void MakeRoom(size_t bytes);

  // Begins a new period of use. Its number is what the walk is to note from now on.
  uint32_t NextEpoch();
  uint32_t epoch() const { return epoch_; }
  // Whether a page lacked room in this period or the last.
  bool is_short() const { return lacked_in_ != 0 && epoch_ - lacked_in_ <= 1; }

  const Counts& counts() const { return counts_; }

 private:
  enum class PageState : uint8_t { kMissing, kRequested, kLoaded, kFailed, kNoRoom };
  struct Object {
    std::shared_ptr<const symbolizer::ElfFile> elf;
    std::shared_ptr<const DebugFilePlaces> places;
    Table table;
    uint32_t page_count;
    std::vector<PageState> pages;
  };
  struct LoadedPage {
    PageId id;
    kiln_ref ref;
    uint32_t bytes;
    uint8_t uses;  // bit 7: in the last period; bit 6: in the one before …
  };

  kiln_directory* DirectoryOf(const Object& object);
  void Mark(PageId id, PageState state, kiln_ref ref);
  bool Place(const CompiledPage& page, bool is_ahead);
  // Whether a page may be made that was missed so often in this period. True: for what it may evict, that is counted.
  bool TakeRoomForOneMore(uint32_t misses);
  void Compile(PageId id);
  void Refuse(PageId id);
  void RequestWhatWasMissed();
  uint64_t PageBytes() const;
  bool IsIdle(const LoadedPage& page);
  // What is evicted is free after the next wait for readers. `must`: beyond what may go in this period.
  void Evict(uint64_t wanted, bool must);

  SharedMemory& memory_;
  TableWorker& worker_;
  std::unordered_map<uint32_t, Object> objects_;
  std::vector<LoadedPage> loaded_;
  uint32_t under_way_ = 0;                              // pages
  absl::flat_hash_map<PageId, uint32_t> without_room_;  // and how often they were asked for in this period
  uint32_t epoch_ = 1;
  uint32_t lacked_in_ = 0;            // the last period in which a page lacked room; 0 = none
  uint64_t idle_bytes_ = 0;           // of pages that were idle when the period began
  uint64_t bytes_left_;               // of pages that may go in this period
  uint64_t warm_bytes_left_;          // of pages in use, as far as no page may evict them yet
  uint64_t granted_bytes_ = 0;        // of pages in use that may go for pages under way
  uint64_t freed_bytes_ = 0;          // by eviction, and not taken by pages again
  uint64_t eviction_free_after_ = 0;  // waits of the SharedMemory after which the last eviction has made room
  Counts counts_;
};

}  // namespace kiln::agent
