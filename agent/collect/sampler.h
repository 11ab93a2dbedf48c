// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "bpf/wire.h"

namespace kiln::agent {

enum class SamplerEvent : uint8_t {
  kCpuClock,  // software timer: works everywhere
  kCycles,    // hardware cycles: needs a PMU, which most virtual machines hide
};

struct SamplerOptions {
  int frequency_hz = 99;  // per CPU, 1 … 10 000
  SamplerEvent event = SamplerEvent::kCpuClock;
  bool kernel_stacks = true;
  bool measures_cost = false;        // counts KILN_COUNTER_RUN_NS: some 20 ns per sample
  bool filter_pids = false;          // only processes entered by AddTarget, and their children
  bool filter_comm = false;          // only threads whose name was judged by SetCommVerdict, see there
  std::vector<std::string> cgroups;  // cgroup v2 folders; any of them, with all below; at most KILN_MAX_CGROUPS
};

using SamplerCounters = std::array<uint64_t, KILN_COUNTER_COUNT>;  // by enum kiln_counter

// Time spent in the BPF programs, as the kernel counts it; runs is 0 unless kernel.bpf_stats_enabled is 1.
struct BpfRunStats {
  uint64_t run_time_ns = 0;
  uint64_t runs = 0;
};

// The BPF side: loads the programs, attaches them to a perf event per CPU, reads the rings. Thread-compatible.
class Sampler {
 public:
  // Loads the programs and creates the rings; nothing is sampled yet. Errors name what the kernel lacks or forbids and
  // what mends it. Features that are missing but not needed are told by notes().
  static StatusOr<Sampler> Load(const SamplerOptions& options);
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) = delete;
  ~Sampler();

  // With filter_pids: samples this process and the children that it starts from now on.
  Status AddTarget(Pid pid);
  bool IsTarget(Pid pid) const;
  // Forgets a process that is gone.
  void RemoveTarget(Pid pid);
  // True if children are followed in the kernel; otherwise the caller enters them when it learns of them.
  bool follows_children() const;

  // With filter_comm: samples of threads (or of processes) with a name that is not known yet arrive with
  // KILN_SAMPLE_UNDECIDED; the caller judges each name once.
  void SetCommVerdict(const std::string& comm, bool matches);

  // One more chunk of table memory (bpf/unwind_table.h), zeroed and mapped until this object dies.
  StatusOr<std::span<std::byte>> AddTableChunk(uint32_t index);
  // Waits until the kernel side can use all chunks that were added.
  void AwaitTableChunks();
  // Tells the kernel side what it has to know of a process, by a reference to its struct kiln_process in table memory;
  // replaces what was told before. kResourceExhausted if KILN_MAX_PROCESSES are known.
  Status SetProcess(Pid pid, uint32_t reference);
  void RemoveProcess(Pid pid);
  // What the walk notes from now on in the pages that it uses.
  void SetUnwindEpoch(uint32_t epoch);
  // Walks that begin from now on use nothing that they remember of table memory.
  void ForgetTables();

  // Opens one event on each CPU and starts sampling. Later calls follow CPUs that come and go: all are tried, the first
  // error comes back.
  Status SampleCpus(const std::vector<int>& cpus);
  // CPUs of which the event has stood still since the last call. The kernel takes events off a CPU that goes offline
  // and does not put them back: after a suspend, or where a CPU was away for a moment, the same CPUs are online with no
  // event.
  std::vector<int> StoppedCpus();
  // Stops sampling; rings can still be drained.
  void Stop();
  // Whether stacks that can't be walked for lack of tables are copied. They are, unless that is taken back.
  void AllowStackCopies(bool allowed);
  // Of the events that SampleCpus opens from now on; 0 = it opens none. The rings keep the size that they were made
  // with.
  void SetFrequency(int frequency_hz);

  // Hands each record that is in the rings to `handle`, per CPU in their order.
  void Drain(const std::function<void(std::span<const std::byte>)>& handle);
  // Readable when a ring ran half full.
  int wakeup_fd() const;

  SamplerCounters ReadCounters() const;
  BpfRunStats ReadRunStats() const;
  uint64_t map_bytes() const;  // memory locked by the maps and rings
  const std::vector<std::string>& notes() const;

 private:
  class Impl;
  explicit Sampler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::agent
