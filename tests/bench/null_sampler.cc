// SPDX-License-Identifier: Apache-2.0
// The control of scripts/bench: the perf events of `kiln record` (agent/collect/sampler.cc) with a BPF program that
// returns at once. Samples the whole host for SECONDS and prints what the kernel counted, as one line of JSON:
//
//   {"runs":1984,"run_time_ns":131072}
//
// Both are 0 unless kernel.bpf_stats_enabled is 1.
#include <absl/strings/numbers.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/perf_event.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "agent/collect/online_cpus.h"
#include "agent/collect/perf_ring.h"
#include "base/status.h"
#include "null_sampler.skel.h"

namespace kiln {
namespace {

struct SkeletonDeleter {
  void operator()(null_sampler* skeleton) const { null_sampler::destroy(skeleton); }
};
struct LinkDeleter {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

StatusOr<Link> SampleCpu(const bpf_program* program, int cpu, int frequency_hz) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  attributes.freq = 1;
  attributes.sample_freq = static_cast<uint64_t>(frequency_hz);
  attributes.exclude_idle = 1;
  attributes.disabled = 1;
  UniqueFd event = agent::OpenPerfEvent(attributes, cpu);
  if (!event.valid()) return ErrnoError(errno, "cannot open an event on CPU {}", cpu);
  Link link(bpf_program__attach_perf_event(program, event.get()));
  if (link == nullptr) return ErrnoError(errno, "cannot attach to CPU {}", cpu);
  event.Release();  // now the link's
  return link;
}

Status Run(int frequency_hz, std::chrono::duration<double> duration) {
  KILN_ASSIGN_OR_RETURN(const std::vector<int> cpus, agent::OnlineCpus());
  const std::unique_ptr<null_sampler, SkeletonDeleter> skeleton(null_sampler::open_and_load());
  if (skeleton == nullptr) return ErrnoError(errno, "cannot load the BPF program");
  std::vector<Link> links;
  for (const int cpu : cpus) {
    auto link = SampleCpu(skeleton->progs.on_sample, cpu, frequency_hz);
    if (!link.ok()) return link.status();
    links.push_back(*std::move(link));
  }
  std::this_thread::sleep_for(duration);
  links.clear();

  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_program__fd(skeleton->progs.on_sample), &info, &size) != 0) {
    return ErrnoError(errno, "cannot read the statistics of the BPF program");
  }
  fmt::print("{{\"runs\":{},\"run_time_ns\":{}}}\n", info.run_cnt, info.run_time_ns);
  return absl::OkStatus();
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  int frequency_hz = 0;
  double seconds = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[1], &frequency_hz) || !absl::SimpleAtod(argv[2], &seconds) ||
      frequency_hz <= 0 || seconds <= 0) {
    fmt::print(stderr, "usage: null_sampler HZ SECONDS\n");
    return 64;
  }
  const kiln::Status status = kiln::Run(frequency_hz, std::chrono::duration<double>(seconds));
  if (status.ok()) return 0;
  fmt::print(stderr, "null_sampler: {}\n", kiln::Message(status));
  return 1;
}
