// SPDX-License-Identifier: Apache-2.0
// Compiled unwind tables on disk, one file per object file, so that a table is compiled once per host and not once per
// recording.
//
// It is a help and nothing more: without it tables are compiled again. So no error of it reaches the caller. The first
// one that concerns the folder turns the cache off and stays in status(), to be told once; damaged files are removed.
// Several kilns may share a folder: files appear whole, by a rename, and the last writer of a file wins. All that can
// be lost then is pages that one kiln added while another one wrote the same file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/unwind/cache_folder.h"
#include "agent/unwind/table_file.h"
#include "agent/unwind/table_key.h"
#include "base/status.h"

namespace kiln::agent {

inline constexpr uint64_t kDefaultTableCacheBytes = 256 << 20;

// Since the start.
struct TableCacheCounts {
  uint64_t hits = 0;
  uint64_t misses = 0;           // no file, or one of those below
  uint64_t other_version = 0;    // files that another version of kiln wrote
  uint64_t other_file = 0;       // files of the right name that are of another object file
  uint64_t damaged_files = 0;    // removed
  uint64_t damaged_pages = 0;    // found when a file was completed
  uint64_t stored_files = 0;     // written, or written anew with more pages
  uint64_t refused_pages = 0;    // handed over, and left out because ValidatePage found fault
  uint64_t too_large_files = 0;  // not stored, larger than all files may be together
  uint64_t evicted_files = 0;
  uint64_t evicted_bytes = 0;
  uint64_t leftover_files = 0;  // of writers that died, removed
};

// Thread-compatible.
class TableCache {
 public:
  struct Page {
    uint32_t index;
    std::span<const uint32_t> words;  // empty: the page could not be compiled
  };

  // Below DefaultCacheRoot, tables lie in this folder.
  static constexpr std::string_view kFolderName = "unwind";

  // Opens or creates `folder` (CacheFolder::Open). The files in it stay within `limit_bytes`, each rounded up to 4 KiB:
  // the least recently used ones go first. With several kilns on one folder each may add a sixteenth and a file that
  // the others don't see at once. A limit of 0 stores nothing and removes what is there at the first Store.
  explicit TableCache(const std::string& folder, uint64_t limit_bytes = kDefaultTableCacheBytes);

  // OK while the cache is in use; else why it was turned off, in words for the user.
  const Status& status() const { return status_; }

  // nullopt if there is no table for `key` that can be used. Pages are still to be checked: ReadPage does.
  std::optional<TableFile> Find(const TableKey& key);
  // Writes the pages, and those others that an older file of the same key and facts has.
  void Store(const TableKey& key, const TableFacts& facts, std::span<const Page> pages);
  // Removes the file of `key`, because a page of it turned out to be damaged. Counted as a damaged file.
  void Discard(const TableKey& key);

  const TableCacheCounts& counts() const { return counts_; }

 private:
  StatusOr<TableFile> OpenTable(const TableKey& key) const;
  Status WriteTable(const TableKey& key, const TableFacts& facts, std::span<const Page> pages);
  Status AddOldPages(const TableKey& key, const TableFacts& facts, TableFileWriter& writer);
  Status MakeRoom(const CacheFolder::NewFile& now, uint64_t bytes);
  void TurnOff(const Status& status);

  const std::string path_;
  const uint64_t limit_bytes_;
  Status status_;
  std::optional<CacheFolder> folder_;  // nullopt: turned off
  TableCacheCounts counts_;
  // What the folder held when it was last looked through, and what was written since.
  std::optional<uint64_t> listed_bytes_;
  uint64_t written_bytes_ = 0;
};

}  // namespace kiln::agent
