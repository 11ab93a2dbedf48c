// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/process_publisher.h"

#include <atomic>

namespace kiln::agent {

StatusOr<RangesRef> ProcessPublisher::TakeRanges(std::span<const kiln_code_range> ranges, uint64_t version) {
  Ranges& taken = ranges_[version];
  if (taken.users == 0) {
    const auto where = LayOutRanges(ranges, [&](size_t bytes) -> std::optional<RangeMemory> {
      const auto ref = memory_.memory().Allocate(bytes);
      if (!ref) return std::nullopt;
      taken.memory.emplace_back(*ref, bytes);
      return RangeMemory(*ref, memory_.memory().At<std::byte>(*ref, bytes));
    });
    if (!where) {
      for (const auto& [ref, bytes] : taken.memory) memory_.memory().Free(ref, bytes);  // nobody has seen them
      ranges_.erase(version);
      return absl::UnavailableError("unwind table memory is used up");
    }
    taken.where = *where;
  }
  ++taken.users;
  return taken.where;
}

void ProcessPublisher::DropRanges(uint64_t version) {
  const auto found = ranges_.find(version);
  if (found == ranges_.end() || --found->second.users > 0) return;
  for (const auto& [ref, bytes] : found->second.memory) memory_.Retire(ref, bytes);
  ranges_.erase(found);
}

Status ProcessPublisher::Publish(Pid pid, const Facts& facts, std::span<const kiln_code_range> ranges,
                                 uint64_t version) {
  KILN_ASSIGN_OR_RETURN(const RangesRef where, TakeRanges(ranges, version));
  const auto ref = memory_.memory().Allocate(sizeof(kiln_process));
  if (!ref) {
    DropRanges(version);
    return absl::UnavailableError("unwind table memory is used up");
  }
  *memory_.memory().At<kiln_process>(*ref) = {.start_ns = facts.start_ns,
                                              .exec_pages = facts.exec_pages,
                                              .tgid = static_cast<uint32_t>(pid.value),
                                              .exec_id = facts.exec_id,
                                              .snapshot = facts.snapshot,
                                              .range_count = where.count,
                                              .ranges = where.ref,
                                              .flags = facts.flags,
                                              .stale = 0,
                                              .stamp = ++last_stamp_,
                                              .reserved = {}};
  if (Status status = kernel_.SetProcess(pid, *ref); !status.ok()) {
    memory_.memory().Free(*ref, sizeof(kiln_process));
    DropRanges(version);
    return status;
  }
  const auto [entry, added] =
      published_.try_emplace(pid, Published{.process = *ref, .version = version, .facts = facts});
  if (!added) {
    const Published before = std::exchange(entry->second, {.process = *ref, .version = version, .facts = facts});
    memory_.Retire(before.process, sizeof(kiln_process));
    DropRanges(before.version);
  }
  return absl::OkStatus();
}

void ProcessPublisher::Withdraw(Pid pid) {
  const auto found = published_.find(pid);
  if (found == published_.end()) return;
  kernel_.RemoveProcess(pid);
  memory_.Retire(found->second.process, sizeof(kiln_process));
  DropRanges(found->second.version);
  published_.erase(found);
}

bool ProcessPublisher::IsTold(Pid pid, const Facts& facts, uint64_t version) const {
  const auto found = published_.find(pid);
  if (found == published_.end() || found->second.facts != facts || found->second.version != version) return false;
  auto* process = memory_.memory().At<kiln_process>(found->second.process);
  return std::atomic_ref(process->stale).load(std::memory_order_relaxed) == 0;
}

const ProcessPublisher::Facts* ProcessPublisher::FactsOf(Pid pid) const {
  const auto found = published_.find(pid);
  return found == published_.end() ? nullptr : &found->second.facts;
}

}  // namespace kiln::agent
