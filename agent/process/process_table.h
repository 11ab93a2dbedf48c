// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <deque>
#include <memory>
#include <vector>

#include "agent/collect/raw_sample.h"
#include "agent/collect/side_band_event.h"
#include "agent/process/process.h"

namespace kiln::agent {

// The system behind ProcessTable, so that tests can play it.
class ProcessSystem {
 public:
  virtual ~ProcessSystem() = default;
  // Executable mappings of a live process.
  virtual StatusOr<std::vector<Mapping>> ReadMaps(Pid pid) = 0;
  // True if `pid` lives and started at `start_ns` (CLOCK_BOOTTIME, as far as /proc tells: to a clock tick). With
  // start_ns 0 only whether it lives.
  virtual bool IsAlive(Pid pid, uint64_t start_ns) = 0;
  virtual uint64_t MonotonicNs() = 0;
  // True if an exec of `pid` after `time_ns` is known by now: what /proc shows is then not what ran at that time.
  virtual bool ExecFollows(Pid pid, uint64_t time_ns) = 0;
};

// Which process, with which code where, a sample belongs to. Fed with samples and side-band events in the order of
// their time. Memory maps of processes that were there before are read from /proc at their first sample; later changes
// come by events, so that a process may be gone by the time its samples are looked at. Where events were lost, the maps
// of live processes are read again. Thread-compatible.
class ProcessTable {
 public:
  struct Counts {
    uint64_t maps_read = 0;
    uint64_t maps_unknown = 0;  // processes that were gone before their maps could be read
    uint64_t side_band_lost = 0;
  };

  explicit ProcessTable(ProcessSystem& system) : system_(system) {}

  void OnSideBand(const SideBandEvent& event);

  // Reads the maps of a process that is known to be of interest, before its first sample. Call before any event.
  void Preload(Pid pid);

  // The image that took this sample. Valid until ForgetRetired; its maps until another image of the pid follows.
  Process& OnSample(const RawSample& sample);

  // The mapping that holds `address`; nullptr if none does. Reads /proc/PID/maps if they are not known, and once more
  // if they may be out of date. `time_ns` is the sample's time.
  const Mapping* FindMapping(Process& process, ProcessAddress address, uint64_t time_ns);
  // Makes sure the maps are known if they can be; false if not.
  bool EnsureMappings(Process& process, uint64_t time_ns);

  // An image that was sampled since the last ForgetRetired, or that lives.
  const Process& image(ImageId id) const { return *images_.at(id); }
  // Drops the images whose programs have ended, but for those that `in_use` names. Nothing else may refer to them.
  void ForgetRetired(const absl::flat_hash_set<ImageId>& in_use);
  size_t size() const { return images_.size(); }
  // Who the processes are is to be asked anew.
  void ForgetIdentities() {
    for (const auto& [id, image] : images_) image->who = nullptr;
  }
  // The running image of `pid`; nullptr if none is known.
  Process* Current(Pid pid);
  // Processes, alive as far as known, in whose root the files of `process` may be found: itself, its parent, others of
  // its mount namespace. The parent may be in another mount namespace: what is found there needs a proof.
  std::vector<Pid> FileViews(const Process& process) const;
  // Those of them that are known to be in the mount namespace of `process`.
  std::vector<Pid> NamespaceViews(const Process& process) const;

  const Counts& counts() const { return counts_; }

 private:
  Process& NewImage(Pid pid);
  // Lets go of what an image that takes no more samples does not need.
  void Retire(Process& process);
  // The image that forked `child`, if `child` still runs the same program; nullptr if it is not known any more.
  Process* ForkParent(const Process& child);
  bool IsGone(const Process& process) const { return process.exit_time_ns.has_value(); }
  void OnMmap(const MmapEvent& event, uint64_t time_ns);
  void OnComm(const CommEvent& event, uint64_t time_ns);
  void OnFork(const ForkEvent& event, uint64_t time_ns);
  void OnExit(const ExitEvent& event, uint64_t time_ns);
  void ForgetExited(uint64_t time_ns);
  bool ReadMappings(Process& process, uint64_t time_ns);
  void CheckAfterLoss(Process& process, uint64_t time_ns);

  ProcessSystem& system_;
  // Images that no sample refers to are dropped when their process ends, the others by ForgetRetired.
  absl::flat_hash_map<ImageId, std::unique_ptr<Process>> images_;
  uint32_t last_image_ = 0;
  std::vector<ImageId> retired_;  // that samples may refer to
  absl::flat_hash_map<Pid, Process*> current_;
  uint64_t losses_swept_ = 0;  // of losses_, those after which the processes were looked at
  absl::flat_hash_map<uint32_t, std::deque<Pid>> mount_namespaces_;  // latest first, a few each
  std::deque<std::pair<uint64_t, ImageId>> exited_;                  // by time
  const std::shared_ptr<MappingTable> no_mappings_ = std::make_shared<MappingTable>();
  uint64_t losses_ = 0;  // how often events were lost
  Counts counts_;
};

}  // namespace kiln::agent
