// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <optional>
#include <vector>

#include "agent/collect/raw_sample.h"
#include "agent/process/frame.h"
#include "agent/process/frame_cache.h"
#include "agent/process/object_files.h"
#include "agent/process/process_table.h"
#include "profile/index.h"

namespace kiln::agent {

struct LocatedStack {
  std::vector<FrameIndex> frames;  // leaf first; ends with a kTruncated frame if the walk was cut
  kiln_stop stop;  // why it is cut, after location: in its user part if that is, else in its kernel part
};

// Stage 3: raw addresses to (file, ELF address). Runs once per distinct raw stack, as soon as it is seen: the process
// may be gone a moment later. Thread-compatible.
class Locator {
 public:
  explicit Locator(ProcessTable& processes) : processes_(processes) {}

  LocatedStack Locate(const RawSample& sample, const ProcessMoment& moment);

  // Of all stacks since they were taken last.
  const profile::Table<FrameIndex, Frame>& frames() const { return frames_; }
  profile::Table<FrameIndex, Frame> TakeFrames();
  const ObjectFiles& objects() const { return objects_; }
  ObjectFiles& objects() { return objects_; }
  // The object behind a mapping with a file, or the vDSO.
  ObjectId FindObject(const Process& process, const Mapping& mapping);

 private:
  // The mapping of the frame before: the next one is often in it, too.
  struct Place {
    ProcessAddress start;
    ProcessAddress end;
    FileOffset offset;
    ObjectId object;
  };

  struct Found {
    Frame frame;
    std::optional<FrameIndex> index;             // of the frame, if it is known already; `frame` does not count then
    std::optional<FrameCache::Key> remember_by;  // to be remembered so, once the index is known
  };

  FrameIndex Intern(const Frame& frame);
  // Frames of a stack are looked up together, in memory that is on its way by then: Push each, then InternFound.
  void Push(const Frame& frame, std::optional<FrameCache::Key> remember_by = std::nullopt);
  void InternFound(std::vector<FrameIndex>& frames);
  void OpenJitFiles(Process& process, uint64_t time_ns);
  // nullopt if `address` is in no executable memory of the process.
  std::optional<Frame> LocateUser(CodeAddress<ProcessAddress> address, const ProcessMoment& moment, uint64_t time_ns,
                                  std::optional<Place>& last);

  ProcessTable& processes_;
  ObjectFiles objects_;
  profile::Table<FrameIndex, Frame> frames_;
  absl::flat_hash_map<Frame, FrameIndex> index_;
  std::vector<Found> found_;  // of the stack under way, not yet interned
  FrameCache cache_;          // of frames in files
};

}  // namespace kiln::agent
