// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "agent/doctor/system.h"

namespace kiln::agent {

// The machine that this process runs on. Thread-compatible.
class HostSystem final : public System {
 public:
  StatusOr<std::string> ReadText(const std::string& path) override;
  bool CanRead(const std::string& path) override;
  StatusOr<std::string> ReadLink(const std::string& path) override;
  bool BtfHasName(const std::string& name) override;
  std::string KernelRelease() override;
  std::string Architecture() override;
  std::string ProgramPath() override;
  int ProbeRingBuffer() override;
  int ProbeMapOfMaps() override;
  int ProbeBpfProgram() override;
  int ProbePerfEvent(PerfEvent event) override;
  uint64_t MemlockLimitBytes() override;

 private:
  std::optional<std::string> btf_;  // read on the first question
};

}  // namespace kiln::agent
