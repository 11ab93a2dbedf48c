// SPDX-License-Identifier: Apache-2.0
// Stage two of naming: line indexes of the object files that samples were taken in, of the kernel and its modules.
// Asked for by the namer, made in the background one after the other, from then on there. Who names never waits, unless
// it asks to (AwaitChange).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "agent/process/object_files.h"
#include "agent/symbols/index_cache.h"
#include "symbolizer/debuginfod.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/kernel_debug_file.h"
#include "symbolizer/kernel_layout.h"

namespace kiln::agent {

enum class IndexState : uint8_t {
  kOff,          // not wanted
  kWaiting,      // asked for, or being made
  kDownloading,  // its debug file comes from a server
  kReady,        // there
  kNotNeeded,    // the file names its code itself: Go
  kNoDebugInfo,  // neither it nor any debug file that was found has some
  kTooLarge,     // memory, time or disk that it may take were not enough
  kDamaged,      // can't be read
  kFailed,       // something else went wrong: see the message
};
inline constexpr int kIndexStateCount = static_cast<int>(IndexState::kFailed) + 1;
// Short text for people, e.g. "no debug information found".
std::string_view IndexStateName(IndexState state);
// The same for machines, e.g. "no_debug_info".
std::string_view IndexStateId(IndexState state);

struct LineIndexOptions {
  bool enabled = true;
  // For indexes; "" = nowhere, they are kept in memory.
  std::string cache_folder = {};
  uint64_t cache_bytes = kDefaultIndexCacheBytes;
  // Memory of the process that makes an index.
  uint64_t memory_bytes = uint64_t{512} << 20;
  std::chrono::seconds timeout{600};
  // Folders with debug files, asked before the file's own place (symbolizer/debug_file.h).
  std::vector<std::string> debug_folders = {};
  // The folder that stands for "/" where the kernel's debug files are looked for: no process has a say in that.
  std::string kernel_root = "/";
  // Servers of debug files are asked by this, which must live longer; nullptr = none are.
  symbolizer::Debuginfod* debuginfod = nullptr;
  // Makes indexes only when nothing else wants the CPU.
  bool idle = true;
  // Indexes that stay open, though unused: each is mapped, with what was looked at in memory.
  size_t max_open = 256;
};

// Thread-safe.
class LineIndexes {
 public:
  explicit LineIndexes(LineIndexOptions options);
  // What is under way is given up.
  ~LineIndexes();

  struct Answer {
    std::shared_ptr<const symbolizer::LineIndex> index;  // nullptr unless kReady
    IndexState state;
    // How kernel addresses become those of the index; there with the index of a kernel image.
    std::shared_ptr<const symbolizer::KernelLayout> layout = nullptr;
  };
  // The index of `file`, which is `id` in every call; what is not known yet is asked for. A state that something may
  // change (no debug information) is looked at again after some minutes.
  Answer Get(ObjectId id, const std::shared_ptr<const ObjectFile>& file);
  // The same for the kernel or a module, whose debug file is looked for first. Neither is there without a build id.
  Answer Get(const symbolizer::KernelImage& image);

  // Blocks until one more file is decided, for `timeout` at most.
  void AwaitChange(std::chrono::nanoseconds timeout);

  struct Status {
    std::array<uint64_t, kIndexStateCount> files{};  // by state
    IndexCache::Counts cache;
    uint64_t made = 0;
    double made_seconds = 0;  // of the clock
    uint64_t made_debug_bytes = 0;
    // Of the processes that made indexes, or failed to.
    double cpu_seconds = 0;
    uint64_t peak_rss_bytes = 0;
    std::string now;  // the file whose index is being made; "" = none
    // Files whose index could not be made, with the reason; the last ones, at most 16.
    std::vector<std::string> problems;
  };
  Status status() const;
  const std::vector<std::string>& debug_folders() const { return options_.debug_folders; }

 private:
  // An object file, or the module and build id of a kernel image.
  using Key = std::variant<ObjectId, std::string>;
  struct Entry {
    IndexState state = IndexState::kWaiting;
    std::shared_ptr<const symbolizer::LineIndex> index;
    std::shared_ptr<const symbolizer::KernelLayout> layout;
    uint64_t decided_ns = 0;
    uint64_t used_ns = 0;
  };
  struct Request {
    Key key;
    std::variant<std::shared_ptr<const ObjectFile>, symbolizer::KernelImage> of;
    std::string name() const;
  };
  struct Outcome {
    IndexState state;
    std::shared_ptr<const symbolizer::LineIndex> index = nullptr;
    std::string problem = {};
    std::shared_ptr<const symbolizer::KernelLayout> layout = nullptr;
  };
  Answer Look(Request request);
  void Run();
  Outcome Make(const ObjectFile& file);
  Outcome Make(const symbolizer::KernelImage& image);
  // From the debug information of `elf`, or of the files that are found for it.
  Outcome MakeFrom(const symbolizer::ElfFile& elf, const symbolizer::DebugPlaces& places, bool may_be_go);
  void ForgetOldest();

  const LineIndexOptions options_;
  IndexCache cache_;  // the worker's thread only

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable decided_;
  std::map<Key, Entry> entries_;
  std::deque<Request> requests_;
  Status status_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace kiln::agent
