// SPDX-License-Identifier: Apache-2.0
// Debug files from debuginfod servers, through libdebuginfod. It asks others over the network which programs run here,
// so it is opt-in: nothing is asked unless somebody gave URLs.
//
// Whoever needs a debug file calls Find, which never waits: the first call puts the build id into a queue, a thread of
// its own asks the servers, and a later call has the answer. Answers are remembered, bad ones for a time.
//
//   libdebuginfod takes its settings from the environment of the process and from nowhere else. So Start sets
//   DEBUGINFOD_URLS, _CACHE_PATH, _TIMEOUT, _MAXTIME, _MAXSIZE, _RETRY_LIMIT and _HEADERS_FILE, overwriting what is
//   there, and removes _PROGRESS and _VERBOSE. Therefore: at most one Debuginfod in a process at a time, and Start
//   before there are other threads, as setenv(3) is for nobody who has them. Its own thread only reads the environment.
//
// What comes from a server is checked to be an ELF file with the build id that was asked for. It stays in the cache
// folder, where the library removes what has not been used for a week.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/time/time.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace kiln::symbolizer {

struct DebuginfodOptions {
  std::vector<std::string> urls;  // "http://…" or "https://…", at least one
  std::string cache_folder;       // absolute; made if it is missing
  // A file with a line per HTTP header that is sent along (a token); "" = none.
  std::string headers_file = {};
  size_t max_queue = 64;                           // build ids that wait; more are dropped
  size_t max_known = 16 * 1024;                    // build ids that are remembered; more are dropped
  uint64_t max_bytes = uint64_t{2} << 30;          // of one file; larger ones are not taken
  absl::Duration timeout = absl::Seconds(30);      // without an answer, or with less than 100 KB in it; whole seconds
  absl::Duration max_time = absl::Minutes(10);     // of one file; whole seconds
  absl::Duration not_found_time = absl::Hours(1);  // how long "not found" and "too large" are believed
  absl::Duration failure_time = absl::Minutes(1);  // and how long that a server could not be asked
  std::function<uint64_t()> now_ns = MonotonicNs;  // any thread
  std::function<void()> wake = [] {};  // an answer has come; on the thread of Debuginfod, must not call back
};

enum class DebuginfodState : uint8_t {
  kPending,   // waits or is on its way
  kFound,     // the path is there
  kNotFound,  // no server has it
  kTooLarge,  // beyond max_bytes
  kFailed,    // no server could be asked, or it took too long
  kWrong,     // what came is no ELF file with that build id
  kDropped,   // the queue is full, or nothing more can be remembered; may be asked again
  kUnusable,  // no build id: not 2 to 64 bytes in hex
};
// Short text for people. Never empty.
std::string_view DebuginfodStateName(DebuginfodState state);

// Thread-safe.
class Debuginfod {
 public:
  struct Answer {
    DebuginfodState state = DebuginfodState::kPending;
    std::string path = {};  // of the debug file if found
  };
  // Of answers that have come, and of calls that were dropped.
  struct Counts {
    uint64_t found = 0, not_found = 0, too_large = 0, failed = 0, wrong = 0, dropped = 0;
    uint64_t bytes = 0;  // of the files found
  };

  // kInvalidArgument names what is wrong with the options; else why the cache folder cannot be made.
  static StatusOr<std::unique_ptr<Debuginfod>> Start(DebuginfodOptions options);
  // What is under way is given up, within a second.
  ~Debuginfod();

  // What is known of the debug file of the build id (lower-case hex); asks if nothing is. Never waits.
  Answer Find(std::string_view build_id);
  Counts counts() const;
  // Blocks until everything that was asked for is answered, for `timeout` at most; whether it is.
  bool AwaitIdle(absl::Duration timeout);

 private:
  struct Known {
    Answer answer;
    uint64_t until_ns = UINT64_MAX;  // asked again afterwards
  };
  struct Transfer;  // what is under way

  explicit Debuginfod(DebuginfodOptions options);
  static int OnProgress(void* client, long done, long total);
  void Run();
  Answer Fetch(void* client, const std::string& build_id);
  void Remember(const std::string& build_id, Answer answer);
  void Forget(uint64_t now_ns);

  const DebuginfodOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::deque<std::string> queue_;
  absl::flat_hash_map<std::string, Known> known_;
  Counts counts_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kiln::symbolizer
