// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::agent::config {

// Tells when the content of configuration files has changed. Watches, by inotify, every folder on the way to them, also
// on the way of symbolic links, so that it notices files that are written in place, renamed over, taken away and made
// again, and the switch of ..data by which Kubernetes brings a new ConfigMap; and paths that are not there yet. A
// change counts when nothing has happened for a while and the content is another one than before: an editor's five
// events are one, a touch is none.
//
//   poll {fd()} until deadline()  →  OnReadable(now), if it was readable  →  if (Changed(now)) reload
//
// Never waits by itself. Thread-compatible.
class ConfigWatcher {
 public:
  static constexpr int64_t kSettleNs = 300'000'000;       // without events, before a change counts
  static constexpr int64_t kMaxSettleNs = 3'000'000'000;  // the same though events go on and on

  // `paths` are files and folders (all *.yaml in them). What they hold now is what later content is compared to. Fails
  // if the system has no inotify watches left (kResourceExhausted).
  static StatusOr<std::unique_ptr<ConfigWatcher>> Create(const std::vector<std::string>& paths);

  // Other paths from now on: a reload may have brought new files. Their content of now is not compared to anything.
  void SetPaths(const std::vector<std::string>& paths);

  // The files are about to be read for another reason (SIGHUP): what they hold now is no change any more.
  void NoteRead() { hash_ = ContentHash(); }

  int fd() const { return inotify_.get(); }
  // Takes in what happened. `now_ns` is of a clock that only grows.
  void OnReadable(int64_t now_ns);
  // When to call Changed next; none = not before fd() is readable.
  std::optional<int64_t> deadline_ns() const;
  // True once for each change, from its deadline on.
  bool Changed(int64_t now_ns);

 private:
  struct Watch {
    std::string folder;
    std::set<std::string> names;  // of entries that matter
    bool all_yaml = false;        // and every *.yaml
  };

  explicit ConfigWatcher(UniqueFd inotify) : inotify_(std::move(inotify)) {}
  // Watches all folders that matter now, as far as they are there; forgets the others.
  Status Rewatch();
  bool Matters(int watch, const std::string& name) const;
  std::string ContentHash() const;

  UniqueFd inotify_;
  std::vector<std::string> paths_;
  std::map<int, Watch> watches_;  // by inotify's number
  std::string hash_;              // of the content that was last told of
  std::optional<int64_t> first_event_ns_, last_event_ns_;
};

// The folders and their entries whose change may change what `path` leads to: each step of the path, and of the
// symbolic links in it. As many as 40 links are followed.
std::map<std::string, std::set<std::string>> StepsTo(const std::string& path);

}  // namespace kiln::agent::config
