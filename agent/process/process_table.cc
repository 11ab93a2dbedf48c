// SPDX-License-Identifier: Apache-2.0
#include "agent/process/process_table.h"

#include <algorithm>

namespace kiln::agent {
namespace {

// A thread still runs for a moment after it announced its end.
constexpr uint64_t kKeepExitedNs = 1'000'000'000;
constexpr size_t kViewsPerMountNamespace = 8;
// Maps that were read this recently are not read again for an address that they do not have. Code without frame
// pointers yields such addresses all the time, so the interval doubles while reading does not help.
constexpr uint64_t kMinRereadNs = 100'000'000;
constexpr uint64_t kMaxRereadNs = 10'000'000'000;

}  // namespace

Process& ProcessTable::NewImage(Pid pid) {
  if (Process* before = Current(pid); before != nullptr) Retire(*before);
  const ImageId id{last_image_++};
  Process& image =
      *images_.emplace(id, std::make_unique<Process>(Process{.id = id, .pid = pid, .losses_seen = losses_}))
           .first->second;
  current_[pid] = &image;
  return image;
}

void ProcessTable::Retire(Process& process) {
  if (!process.sampled) {
    images_.erase(process.id);
    return;
  }
  process.mappings = no_mappings_;
  if (!process.exit_time_ns) process.exit_time_ns = 0;
  retired_.push_back(process.id);
}

void ProcessTable::ForgetRetired(const absl::flat_hash_set<ImageId>& in_use) {
  if (losses_swept_ != losses_) {
    // The ends of some may be among what was lost.
    losses_swept_ = losses_;
    std::vector<Process*> gone;
    for (const auto& [pid, process] : current_) {
      if (!IsGone(*process) && !system_.IsAlive(pid, process->start_ns)) gone.push_back(process);
    }
    for (Process* process : gone) {
      current_.erase(process->pid);
      Retire(*process);
    }
  }
  std::erase_if(retired_, [&](ImageId id) {
    if (in_use.contains(id)) return false;
    images_.erase(id);
    return true;
  });
  absl::erase_if(mount_namespaces_, [this](auto& entry) {
    std::erase_if(entry.second, [this](Pid pid) { return Current(pid) == nullptr; });
    return entry.second.empty();
  });
}

void ProcessTable::Preload(Pid pid) {
  Process& process = NewImage(pid);
  ReadMappings(process, system_.MonotonicNs());
}

Process* ProcessTable::Current(Pid pid) {
  const auto found = current_.find(pid);
  return found == current_.end() ? nullptr : found->second;
}

void ProcessTable::OnSideBand(const SideBandEvent& event) {
  ForgetExited(event.time_ns);
  if (const auto* mmap = std::get_if<MmapEvent>(&event.event)) {
    OnMmap(*mmap, event.time_ns);
  } else if (const auto* comm = std::get_if<CommEvent>(&event.event)) {
    OnComm(*comm, event.time_ns);
  } else if (const auto* fork = std::get_if<ForkEvent>(&event.event)) {
    OnFork(*fork, event.time_ns);
  } else if (const auto* exit = std::get_if<ExitEvent>(&event.event)) {
    OnExit(*exit, event.time_ns);
  } else if (const auto* lost = std::get_if<LostEvent>(&event.event)) {
    counts_.side_band_lost += lost->count;
    ++losses_;
  }
}

void ProcessTable::OnMmap(const MmapEvent& event, uint64_t time_ns) {
  Process* process = Current(event.pid);
  if (process == nullptr || process->mappings == nullptr || time_ns < process->mappings_time_ns) return;
  if (process->mappings.use_count() > 1) process->mappings = std::make_shared<MappingTable>(*process->mappings);
  if (process->mappings->Insert({.start = event.start,
                                 .end = ProcessAddress(event.start.value() + event.length),
                                 .offset = event.offset,
                                 .device = event.device,
                                 .inode = event.inode,
                                 .path = MappingPath(event.path)})) {
    ++process->generation;
    ++process->code_generation;
  }
}

void ProcessTable::OnComm(const CommEvent& event, uint64_t time_ns) {
  if (!event.exec) return;  // names come with the samples
  const Process* before = Current(event.pid);
  const Pid parent = before != nullptr ? before->parent_pid : Pid{};
  const uint64_t start_ns = before != nullptr ? before->start_ns : 0;
  const uint32_t mount_namespace = before != nullptr ? before->mount_namespace : 0;
  Process& process = NewImage(event.pid);
  process.parent_pid = parent;
  process.start_ns = start_ns;
  process.mount_namespace = mount_namespace;
  process.born = true;
  process.execed = true;
  process.mappings = std::make_shared<MappingTable>();
  process.next_read_ns = time_ns + kMinRereadNs;
}

void ProcessTable::OnFork(const ForkEvent& event, uint64_t time_ns) {
  if (event.pid == event.parent_pid) return;  // a thread
  Process& child = NewImage(event.pid);
  child.parent_pid = event.parent_pid;
  child.born = true;
  if (const Process* parent = Current(event.parent_pid); parent != nullptr) {
    child.mappings = parent->mappings;
    // The parent's may have been read after the fork; what the child maps from now on is not in them.
    child.mappings_time_ns = std::min(parent->mappings_time_ns, time_ns);
    child.next_read_ns = parent->next_read_ns;
    child.reread_interval_ns = parent->reread_interval_ns;
    child.losses_seen = parent->losses_seen;
    child.execed = parent->execed;
    child.mount_namespace = parent->mount_namespace;
    child.jit_files = InheritJitFiles(parent->jit_files);
  }
}

void ProcessTable::OnExit(const ExitEvent& event, uint64_t time_ns) {
  Process* process = Current(event.pid);
  if (process == nullptr) return;
  // The first thread's end is the process's, unless others go on, which their samples show. Then each end may be the
  // last.
  if (event.pid.value == event.tid.value) process->leader_exited = true;
  if (!process->leader_exited) return;
  process->exit_time_ns = time_ns;
  exited_.emplace_back(time_ns, process->id);
}

void ProcessTable::ForgetExited(uint64_t time_ns) {
  while (!exited_.empty() && exited_.front().first + kKeepExitedNs < time_ns) {
    const auto [exit_time_ns, id] = exited_.front();
    exited_.pop_front();
    const auto found = images_.find(id);
    if (found == images_.end() || found->second->exit_time_ns != exit_time_ns) continue;
    Process& process = *found->second;
    const auto current = current_.find(process.pid);
    if (current == current_.end() || current->second != &process) continue;  // retired by what followed
    current_.erase(current);
    Retire(process);
  }
}

Process& ProcessTable::OnSample(const RawSample& sample) {
  const ThreadIdentity& identity = *sample.identity;
  Process* process = Current(sample.pid);
  // Another start time: the pid was reused and we missed it.
  if (process == nullptr || (process->start_ns != 0 && process->start_ns != identity.process_start_ns)) {
    process = &NewImage(sample.pid);
  }
  process->start_ns = identity.process_start_ns;
  process->namespaced_pid = identity.namespaced_pid;
  if (process->exit_time_ns && sample.tid.value != sample.pid.value && sample.time_ns > *process->exit_time_ns) {
    process->exit_time_ns.reset();  // only its first thread has ended
  }
  if (identity.mount_namespace != 0) process->mount_namespace = identity.mount_namespace;
  if (!process->sampled) {
    process->sampled = true;
    if (process->mount_namespace != 0) {
      auto& views = mount_namespaces_[process->mount_namespace];
      std::erase_if(views, [&](Pid pid) { return pid == sample.pid || Current(pid) == nullptr; });
      views.push_front(sample.pid);
      if (views.size() > kViewsPerMountNamespace) views.pop_back();
    }
  }
  CheckAfterLoss(*process, sample.time_ns);
  return *process;
}

void ProcessTable::CheckAfterLoss(Process& process, uint64_t time_ns) {
  if (process.losses_seen == losses_ || process.mappings == nullptr || time_ns < process.next_read_ns) return;
  process.losses_seen = losses_;
  ReadMappings(process, time_ns);
}

bool ProcessTable::ReadMappings(Process& process, uint64_t time_ns) {
  if (IsGone(process)) return false;
  const uint64_t now = system_.MonotonicNs();
  process.reread_interval_ns = std::clamp(process.reread_interval_ns * 2, kMinRereadNs, kMaxRereadNs);
  process.next_read_ns = now + process.reread_interval_ns;
  auto mappings = system_.ReadMaps(process.pid);
  if (!mappings.ok() || mappings->empty()) return false;
  // Asked afterwards: if it is this process still, it was all the time.
  if (!system_.IsAlive(process.pid, process.start_ns) || system_.ExecFollows(process.pid, time_ns)) return false;
  ++counts_.maps_read;
  process.losses_seen = losses_;
  process.mappings_time_ns = now;
  auto table = std::make_shared<MappingTable>(*std::move(mappings));
  if (process.mappings != nullptr && *process.mappings == *table) return true;
  if (process.mappings != nullptr) {
    ++process.generation;
    if (table->Replaces(*process.mappings)) ++process.code_generation;
  }
  process.mappings = std::move(table);
  return true;
}

Process* ProcessTable::ForkParent(const Process& child) {
  if (child.execed || child.parent_pid.value == 0) return nullptr;
  Process* parent = Current(child.parent_pid);
  if (parent == nullptr) return &NewImage(child.parent_pid);  // there before us, and nothing was heard of it so far
  // One that began after the child is the program that the parent exec'ed since, or another process with its pid.
  return parent->born && parent->id > child.id ? nullptr : parent;
}

bool ProcessTable::EnsureMappings(Process& process, uint64_t time_ns) {
  if (process.mappings != nullptr) return process.mappings->size() > 0;
  // A child that was forked and is gone already ran its parent's code. The chain ends: each parent is older than its
  // child, or was there before us and has no known parent.
  std::vector<Process*> forebears{&process};
  while (forebears.back()->mappings == nullptr && !ReadMappings(*forebears.back(), time_ns)) {
    Process* parent = ForkParent(*forebears.back());
    if (parent == nullptr) break;
    forebears.push_back(parent);
  }
  Process& source = *forebears.back();
  if (source.mappings == nullptr) source.mappings = std::make_shared<MappingTable>();
  forebears.pop_back();
  for (Process* heir : forebears) {
    heir->mappings = source.mappings;
    heir->mappings_time_ns = time_ns;
  }
  if (process.mappings->size() > 0) return true;
  ++counts_.maps_unknown;
  return false;
}

const Mapping* ProcessTable::FindMapping(Process& process, ProcessAddress address, uint64_t time_ns) {
  EnsureMappings(process, time_ns);
  if (const Mapping* mapping = process.mappings->Find(address); mapping != nullptr) return mapping;
  if (time_ns < process.next_read_ns || system_.MonotonicNs() < process.next_read_ns) return nullptr;
  if (!ReadMappings(process, time_ns)) return nullptr;
  const Mapping* mapping = process.mappings->Find(address);
  if (mapping != nullptr) process.reread_interval_ns = 0;
  return mapping;
}

std::vector<Pid> ProcessTable::FileViews(const Process& process) const {
  std::vector<Pid> views = NamespaceViews(process);
  const auto parent = current_.find(process.parent_pid);
  const bool parent_gone = parent != current_.end() && IsGone(*parent->second);
  if (process.parent_pid.value != 0 && !parent_gone && std::ranges::find(views, process.parent_pid) == views.end()) {
    views.insert(views.begin() + (views.empty() || views.front() != process.pid ? 0 : 1), process.parent_pid);
  }
  return views;
}

std::vector<Pid> ProcessTable::NamespaceViews(const Process& process) const {
  std::vector<Pid> views;
  if (!IsGone(process)) views.push_back(process.pid);  // else the pid may be another's by now
  const auto found = mount_namespaces_.find(process.mount_namespace);
  if (found == mount_namespaces_.end()) return views;
  for (const Pid pid : found->second) {
    const auto current = current_.find(pid);
    if (pid == process.pid || current == current_.end()) continue;
    const Process& other = *current->second;
    if (!IsGone(other) && other.mount_namespace == process.mount_namespace) views.push_back(pid);
  }
  return views;
}

}  // namespace kiln::agent
