// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <optional>
#include <span>
#include <vector>

#include "agent/collect/raw_sample.h"
#include "agent/process/object_files.h"
#include "agent/process/process_table.h"
#include "profile/index.h"

namespace kiln::agent {

// Where a frame's address lives.
enum class FrameSpace : uint8_t {
  kObject,     // owner: ObjectId; address: ELF virtual address (file offset if the file could not be opened)
  kKernel,     // address: kernel address
  kJit,        // owner: ImageId; address: process address in memory without a file
  kUnmapped,   // owner: ImageId; address: process address outside of all known code
  kTruncated,  // no code: the mark of a cut stack; address: enum kiln_stop
};

// A place in the code, equal for all processes that run the same file. Addresses are those to look names up with
// (return addresses moved back by one).
struct Frame {
  FrameSpace space;
  uint32_t owner;
  uint64_t address;
  friend auto operator<=>(const Frame&, const Frame&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Frame& f) {
    return H::combine(std::move(hash), f.space, f.owner, f.address);
  }
};

using FrameIndex = profile::Index<struct FrameTag>;

struct LocatedStack {
  std::vector<FrameIndex> frames;  // leaf first; ends with a kTruncated frame if the walk was cut
  kiln_stop stop;  // why it is cut, after location: in its user part if that is, else in its kernel part
};

// Stage 3: raw addresses to (file, ELF address). Runs once per distinct raw stack, as soon as it is seen: the process
// may be gone a moment later. Thread-compatible.
class Locator {
 public:
  explicit Locator(ProcessTable& processes) : processes_(processes) {}

  // A stack that was located whole, one frame for each word, in the same generation of the same process. Most stacks
  // share their outer frames with the one before, and these need no look-up.
  struct Neighbour {
    std::span<const uint64_t> user;      // frame words
    std::span<const FrameIndex> frames;  // of them
  };

  LocatedStack Locate(const RawSample& sample, const ProcessMoment& moment, const Neighbour& neighbour = {});

  const profile::Table<FrameIndex, Frame>& frames() const { return frames_; }
  const ObjectFiles& objects() const { return objects_; }
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

  FrameIndex Intern(const Frame& frame);
  // Frames of a stack are looked up together, in memory that is on its way by then: Push each, then InternFound.
  void Push(const Frame& frame);
  void InternFound(std::vector<FrameIndex>& frames);
  void OpenPerfMap(Process& process, uint64_t time_ns);
  // nullopt if `address` is in no executable memory of the process.
  std::optional<Frame> LocateUser(CodeAddress<ProcessAddress> address, const ProcessMoment& moment, uint64_t time_ns,
                                  std::optional<Place>& last);

  ProcessTable& processes_;
  ObjectFiles objects_;
  profile::Table<FrameIndex, Frame> frames_;
  absl::flat_hash_map<Frame, FrameIndex> index_;
  std::vector<Frame> found_;  // of the stack under way, not yet interned
};

}  // namespace kiln::agent
