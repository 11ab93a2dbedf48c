// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
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

// Numbers the object files of a recording; never reused.
struct ObjectId {
  uint32_t value;
  friend constexpr auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

// A file that processes run code from, or the vDSO.
struct ObjectFile {
  std::string path;      // as the first process that had it sees it
  std::string build_id;  // lower-case hex, "" if none
  // Kept open, so that its names can be read after the last process is gone and the name deleted.
  std::optional<symbolizer::ElfFile> elf;
  symbolizer::Miss miss = symbolizer::Miss::kNone;  // why there is no `elf`
  std::optional<ImageId> tried_for;                 // the last process that it was looked for with
};

// The largest file descriptor that may hold a foreign file for the length of a recording: what is above it up to
// RLIMIT_NOFILE is left for /proc, for CPUs that come, and for writing the profile.
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

  const ObjectFile& object(ObjectId id) const { return *objects_.at(id.value); }
  size_t size() const { return objects_.size(); }

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

  bool TryOpen(ObjectFile& object, const Process& process, const Mapping& mapping, const std::vector<Pid>& views) const;

  std::vector<std::unique_ptr<ObjectFile>> objects_;
  absl::flat_hash_map<Key, ObjectId, KeyHash, KeyEqual> by_key_;
  std::optional<ObjectId> vdso_;
  int last_fd_;
  uint32_t own_mount_namespace_ = 0;
};

}  // namespace kiln::agent
