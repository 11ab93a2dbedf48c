// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/collect/sampler.h"
#include "agent/unwind/kernel_tables.h"

namespace kiln::agent {

// The real kernel side. The sampler must outlive it.
class SamplerTables final : public KernelTables {
 public:
  explicit SamplerTables(Sampler& sampler) : sampler_(sampler) {}

  StatusOr<std::span<std::byte>> AddChunk(uint32_t index) override { return sampler_.AddTableChunk(index); }
  Status SetProcess(Pid pid, kiln_ref process) override { return sampler_.SetProcess(pid, process); }
  void RemoveProcess(Pid pid) override { sampler_.RemoveProcess(pid); }
  void SetEpoch(uint32_t epoch) override { sampler_.SetUnwindEpoch(epoch); }
  void Forget() override { sampler_.ForgetTables(); }

 private:
  Sampler& sampler_;
};

}  // namespace kiln::agent
