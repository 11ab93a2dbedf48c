// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>
#include <absl/functional/function_ref.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/process/maps.h"
#include "agent/process/process.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// Numbers the object files; never reused.
struct ObjectId {
  uint32_t value;
  friend constexpr auto operator<=>(const ObjectId&, const ObjectId&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ObjectId& id) {
    return H::combine(std::move(hash), id.value);
  }
};

// A file that processes run code from, or the vDSO. Immutable once others share it.
struct ObjectFile {
  std::string path;      // as the first process that had it sees it
  std::string build_id;  // lower-case hex, "" if none
  Pid seen_in;           // that process; it may be gone
  // Kept open, so that its names can be read after the last process is gone and the name deleted.
  std::optional<symbolizer::ElfFile> elf;
  symbolizer::Miss miss = symbolizer::Miss::kNone;  // why there is no `elf`
};

// The largest file descriptor that may hold a foreign file: what is above it up to RLIMIT_NOFILE is left for /proc, for
// CPUs that come, and for writing the profile.
int LastObjectFd();

// Opens each mapped file once, as the process that runs it sees it. Thread-compatible.
class ObjectFiles {
 public:
  // Files beyond `last_fd` are not kept and so have no names (Miss::kTooManyFiles).
  explicit ObjectFiles(int last_fd = LastObjectFd());

  // The object behind `mapping` (is_file() or "[vdso]") of `process`. `views` gives live processes through whose root
  // its path may be looked up, best first (ProcessTable::FileViews); it is asked only if a file is to be opened. A file
  // that could not be opened is tried again with the next process that maps it.
  ObjectId Find(const Process& process, const Mapping& mapping, absl::FunctionRef<std::vector<Pid>()> views);

  const ObjectFile& object(ObjectId id) const { return *objects_.at(id).file; }
  // The same, to be kept; it stays as it is even where a later Find opens the file that was missing.
  const std::shared_ptr<const ObjectFile>& Share(ObjectId id) const { return objects_.at(id).file; }
  size_t size() const { return objects_.size(); }

  // Closes files that nobody shares and that no Find has asked for in the last `rounds` calls of this.
  void ForgetUnused(uint32_t rounds);

 private:
  // What a mapping tells about its file.
  using Key = std::tuple<uint64_t, uint64_t, std::string>;  // device, inode, path
  using KeyView = std::tuple<uint64_t, uint64_t, std::string_view>;
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const KeyView& key) const { return absl::HashOf(key); }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const KeyView& a, const KeyView& b) const { return a == b; }
  };

  struct Entry {
    std::shared_ptr<const ObjectFile> file;
    std::optional<ImageId> tried_for;  // the last process that it was looked for with
    uint32_t asked_in = 0;             // round_ of the last Find
    Key key;
  };

  bool TryOpen(ObjectFile& object, const Process& process, const Mapping& mapping, const std::vector<Pid>& views) const;

  absl::node_hash_map<ObjectId, Entry> objects_;
  uint32_t last_id_ = 0;
  uint32_t round_ = 0;
  absl::flat_hash_map<Key, ObjectId, KeyHash, KeyEqual> by_key_;
  std::optional<ObjectId> vdso_;
  int last_fd_;
  uint32_t own_mount_namespace_ = 0;
};

}  // namespace kiln::agent
