// SPDX-License-Identifier: Apache-2.0
// Line indexes on disk, one file per object file: made once per host, not once per recording.
//
// A help and nothing more: without a folder that can be used indexes live in memory and go with the process. Several
// kilns may share a folder; files appear whole, by a rename.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/unwind/cache_folder.h"
#include "agent/unwind/table_key.h"
#include "base/fd.h"
#include "base/status.h"
#include "symbolizer/index/line_index.h"

namespace kiln::agent {

inline constexpr uint64_t kDefaultIndexCacheBytes = uint64_t{1} << 30;

// Thread-compatible.
class IndexCache {
 public:
  // Below DefaultCacheRoot, indexes lie in this folder.
  static constexpr std::string_view kFolderName = "lines";

  // Opens or creates `folder`; "" = no folder. Files stay within `limit_bytes`, the least recently used go first.
  IndexCache(const std::string& folder, uint64_t limit_bytes);

  // Why the folder can't be used; OK if it is in use, or none is wanted.
  const Status& status() const { return status_; }
  // For temporary files; "" if there is no folder.
  std::string scratch_folder() const { return folder_ ? path_ : ""; }

  // nullptr if there is none. What is damaged or of another version is removed.
  std::shared_ptr<const symbolizer::LineIndex> Find(const TableKey& key);

  // An index under way: written to fd(), then kept.
  class Draft {
   public:
    int fd() const { return file_ ? file_->fd() : memory_.get(); }

   private:
    friend class IndexCache;
    std::optional<CacheFolder::NewFile> file_;
    UniqueFd memory_;
  };
  StatusOr<Draft> Create();
  // Opens what was written, and keeps it under its name if there is a folder.
  StatusOr<std::shared_ptr<const symbolizer::LineIndex>> Keep(Draft draft, const TableKey& key);

  struct Counts {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t removed_files = 0;  // damaged, or of another version
    uint64_t stored_files = 0;
    uint64_t evicted_files = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  Status MakeRoom(uint64_t bytes);

  const std::string path_;
  const uint64_t limit_bytes_;
  Status status_;
  std::optional<CacheFolder> folder_;
  Counts counts_;
};

}  // namespace kiln::agent
