// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/aggregate/aggregator.h"
#include "agent/process/frame.h"
#include "agent/process/object_files.h"
#include "agent/process/process.h"
#include "profile/index.h"

namespace kiln::agent {

// What a window has to know of a program image after its process is gone.
struct WindowImage {
  Pid pid;
  Pid namespaced_pid;  // 0 = not known
  JitFiles jit_files;
  bool looked_for_jit_files = false;                     // once more, when the window ended
  std::shared_ptr<const identity::ProcessIdentity> who;  // nullptr = nobody has asked
};

// What was sampled between two moments, complete in itself: it shares nothing that changes, so any thread may name and
// write it while the collector goes on. The windows of one session lie end to end, and each sample is in one of them.
struct Window {
  int frequency_hz = 0;               // of all its samples
  uint64_t start_ns = 0, end_ns = 0;  // CLOCK_MONOTONIC
  int64_t time_unix_nano = 0;         // of the start, by the wall clock at the end
  Aggregate aggregate;
  profile::Table<FrameIndex, Frame> frames;
  // Of the frames and threads:
  absl::flat_hash_map<ObjectId, std::shared_ptr<const ObjectFile>> objects;
  absl::flat_hash_map<ImageId, WindowImage> images;
  // What was lost meanwhile, by name (kiln.samples.lost …), zeros left out.
  std::vector<std::pair<std::string, int64_t>> losses;

  int64_t duration_ns() const { return static_cast<int64_t>(end_ns - start_ns); }
};

// What was counted since the last time, with all that it refers to; times, frequency and losses are left to the caller.
// The images that samples were counted for must be there still (ProcessTable::ForgetRetired).
Window TakeWindowOf(Aggregator& aggregator, Locator& locator, const ProcessTable& processes);

}  // namespace kiln::agent
