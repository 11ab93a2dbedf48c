// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "agent/unwind/kernel_tables.h"
#include "bpf/replay.h"

namespace kiln::agent::testing {

// Keeps what it is told, and walks stacks by it as the kernel does.
class FakeKernel final : public KernelTables {
 public:
  StatusOr<std::span<std::byte>> AddChunk(uint32_t index) override {
    if (!add_chunk_status.ok()) return add_chunk_status;
    auto chunk = heap_.AddChunk(index);
    if (chunk.ok()) chunks_.push_back(*chunk);
    return chunk;
  }
  Status SetProcess(Pid pid, kiln_ref process) override {
    if (!set_process_status.ok()) return set_process_status;
    processes[pid] = process;
    return absl::OkStatus();
  }
  void RemoveProcess(Pid pid) override { processes.erase(pid); }
  void SetEpoch(uint32_t value) override { epoch = value; }
  void Forget() override { ++times_forgotten; }

  // What was told about `pid`; nullptr if nothing was.
  const kiln_process* Process(Pid pid) {
    const auto found = processes.find(pid);
    if (found == processes.end()) return nullptr;
    auto* value = static_cast<std::byte*>(Value(this, found->second >> KILN_REF_WORD_BITS));
    return reinterpret_cast<const kiln_process*>(value + (found->second & (KILN_VALUE_WORDS - 1)) * 4);
  }
  // The stop of a walk of `pid` through `stack`, which begins with the red zone below the stack pointer of `regs`;
  // PROCESS_UNKNOWN if it is not known.
  kiln_stop Walk(Pid pid, const kiln_regs& regs, std::span<const std::byte> stack) {
    const kiln_process* process = Process(pid);
    if (process == nullptr) return KILN_STOP_PROCESS_UNKNOWN;
    stack_ = stack;
    stack_start_ = regs.sp - KILN_RED_ZONE_BYTES;
    const kiln_replay replay{.context = this, .table_value = &Value, .read_user = &Read, .epoch = epoch};
    static kiln_replay_stack walked;
    kiln_replay_walk(&replay, &regs, process->ranges, process->range_count, process->flags, &walked);
    return static_cast<kiln_stop>(walked.stop);
  }

  std::map<Pid, kiln_ref> processes;
  uint32_t epoch = 0;
  int times_forgotten = 0;
  Status add_chunk_status, set_process_status;

 private:
  static void* Value(void* context, uint32_t number) {
    auto* self = static_cast<FakeKernel*>(context);
    const uint32_t chunk = number / KILN_CHUNK_VALUES;
    if (chunk >= self->chunks_.size()) return nullptr;
    return self->chunks_[chunk].data() + size_t{number % KILN_CHUNK_VALUES} * KILN_VALUE_BYTES;
  }
  static int Read(void* context, void* to, uint32_t bytes, uint64_t address) {
    auto* self = static_cast<FakeKernel*>(context);
    const uint64_t offset = address - self->stack_start_;
    if (offset > self->stack_.size() || self->stack_.size() - offset < bytes) return -1;
    std::memcpy(to, self->stack_.data() + offset, bytes);
    return 0;
  }

  HeapChunks heap_;
  std::vector<std::span<std::byte>> chunks_;
  std::span<const std::byte> stack_;
  uint64_t stack_start_ = 0;
};

}  // namespace kiln::agent::testing
