// SPDX-License-Identifier: Apache-2.0
// A folder of files that only kiln writes and that several kilns share. Files appear whole, by a rename, and are never
// changed after; everything is done relative to the open folder, so nobody can put another one in its place.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "base/status.h"

namespace kiln::agent {

// Where kiln keeps what it can make anew: /var/cache/kiln for root, else kiln in $XDG_CACHE_HOME or in .cache of $HOME
// (XDG Base Directory Specification: relative paths don't count). "" if there is no such place. The caller reads the
// environment.
std::string DefaultCacheRoot(uid_t user, std::string_view xdg_cache_home, std::string_view home);

// Thread-compatible; several objects, also of other processes, may use one folder at the same time.
class CacheFolder {
 public:
  struct Entry {
    std::string name;
    uint64_t bytes;  // of the file, without what the file system adds
    int64_t mtime_ns;
  };
  // A file under way. Its name goes away with it unless it was published.
  class NewFile {
   public:
    NewFile(NewFile&&) noexcept = default;
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile();
    int fd() const { return fd_.get(); }

   private:
    friend class CacheFolder;
    NewFile(UniqueFd fd, int folder, std::string name) : fd_(std::move(fd)), folder_(folder), name_(std::move(name)) {}
    UniqueFd fd_;
    int folder_;
    std::string name_;
  };

  // Creates the folder, and those above it, with mode 0700 where they are missing. kFailedPrecondition if it is a
  // symbolic link, belongs to another user or may be written by others: then what lies there is not to be believed.
  static StatusOr<CacheFolder> Open(const std::string& path);

  // kNotFound if there is none, else as File::Open. Counts as a use: its time of modification becomes now.
  StatusOr<File> OpenFile(std::string_view name) const;
  // An empty file, mode 0600, that List does not show. It must not outlive this object.
  StatusOr<NewFile> Create() const;
  // Gives the file its name, in place of an older one.
  Status Publish(NewFile& file, const std::string& name) const;
  // Whether there was such a file and it could be removed.
  bool Remove(const std::string& name) const;
  // The regular files with names that end in `suffix`, least recently used first.
  StatusOr<std::vector<Entry>> List(std::string_view suffix) const;
  // Removes the unpublished files that are an hour older than `now`: their writers died. Returns how many.
  StatusOr<size_t> RemoveLeftovers(const NewFile& now) const;

 private:
  explicit CacheFolder(UniqueFd fd) : fd_(std::move(fd)) {}
  StatusOr<std::vector<Entry>> ListAll() const;

  UniqueFd fd_;
};

}  // namespace kiln::agent
