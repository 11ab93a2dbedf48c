// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/sampler.h"

#include <absl/strings/numbers.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <map>

#include "agent/collect/bpf_log.h"
#include "agent/collect/online_cpus.h"
#include "agent/collect/perf_errors.h"
#include "agent/collect/perf_ring.h"
#include "agent/collect/table_chunks.h"
#include "base/file.h"
#include "bpf/unwind_table.h"
#include "sampler.skel.h"

namespace kiln::agent {
namespace {

struct SkeletonDeleter {
  void operator()(sampler* skeleton) const { sampler::destroy(skeleton); }
};
struct LinkDeleter {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
struct RingDeleter {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

// A ring takes one second of samples of average size, so that a reader that is kept off the CPU for that long loses
// nothing, nor copies of stacks when a program starts: 512 KiB at 99 Hz, 4 MiB at 997 Hz and above.
constexpr uint32_t kAverageRecordBytes = 4096;
constexpr uint32_t kMinRingBytes = 256 * 1024;
constexpr uint32_t kMaxRingBytes = 4 * 1024 * 1024;
// Bytes of stacks that may be copied within 100 ms, in sizes of the ring; the reader empties it when it is half full.
constexpr uint32_t kStackCopiesPerRing = 4;

uint32_t RingBytes(int frequency_hz) {
  return std::clamp(std::bit_ceil(static_cast<uint32_t>(frequency_hz) * kAverageRecordBytes), kMinRingBytes,
                    kMaxRingBytes);
}

// An administrator may allow less than what a record has room for.
uint32_t KernelFrameLimit() {
  const auto text = ReadFile("/proc/sys/kernel/perf_event_max_stack", 64);
  uint32_t limit = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &limit) || limit == 0) return KILN_MAX_KERNEL_FRAMES;
  return std::min<uint32_t>(limit, KILN_MAX_KERNEL_FRAMES);
}

StatusOr<UniqueFd> OpenCgroup(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "cannot open cgroup {}", path);
  struct statfs info {};
  if (::fstatfs(fd.get(), &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC) {
    return Error(
        absl::StatusCode::kInvalidArgument,
        "{} is not in a cgroup v2 hierarchy; name the folder under the cgroup2 mount (see: findmnt -t cgroup2)", path);
  }
  return fd;
}

Status LoadError(int error_number, const BpfLog& log) {
  if (error_number == EPERM || error_number == EACCES) {
    return absl::PermissionDeniedError(
        "the kernel refused to load the BPF programs: where the capabilities BPF and PERFMON are there (as root's "
        "are), a "
        "container's seccomp filter does that, or kernel lockdown in the mode confidentiality (kiln doctor tells "
        "more)");
  }
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    return absl::UnimplementedError(
        "this kernel has no BTF (/sys/kernel/btf/vmlinux), which kiln needs: use a kernel built with "
        "CONFIG_DEBUG_INFO_BTF, 5.10 or newer");
  }
  Status status = ErrnoError(error_number, "the kernel refused the BPF programs (kiln doctor tells more)");
  const std::string last = log.LastLine();
  return last.empty() ? status : Status(status.code(), fmt::format("{}; {}", Message(status), last));
}

}  // namespace

class Sampler::Impl {
 public:
  explicit Impl(const SamplerOptions& options) : options_(options) {}

  Status Load() {
    KILN_ASSIGN_OR_RETURN(const int cpus, PossibleCpuCount());
    cpu_count_ = cpus;
    ring_count_ = std::min(cpus, static_cast<int>(KILN_MAX_RINGS));
    skeleton_.reset(sampler::open());
    if (skeleton_ == nullptr) return LoadError(errno, log_);
    Configure();
    if (const int error = sampler::load(skeleton_.get()); error != 0) return LoadError(-error, log_);
    AllowStackCopies(true);
    KILN_RETURN_IF_ERROR(EnterCgroups());
    KILN_RETURN_IF_ERROR(CreateRings());
    if (bpf_program__autoload(skeleton_->progs.on_fork)) {
      fork_link_.reset(bpf_program__attach(skeleton_->progs.on_fork));
      if (fork_link_ == nullptr) NoteChildren();
    }
    if (bpf_program__autoload(skeleton_->progs.on_mapping)) {
      mapping_link_.reset(bpf_program__attach(skeleton_->progs.on_mapping));
    }
    return absl::OkStatus();
  }

  // Read-only constants, and only the maps and programs that this recording needs.
  void Configure() {
    kiln_config* config = const_cast<kiln_config*>(&skeleton_->rodata->config);
    config->filter_pids = options_.filter_pids;
    config->filter_comm = options_.filter_comm;
    config->cgroup_count = static_cast<uint8_t>(options_.cgroups.size());
    config->kernel_stacks = options_.kernel_stacks;
    config->ring_count = static_cast<uint32_t>(ring_count_);
    config->ring_bytes = RingBytes(options_.frequency_hz);
    config->kernel_frames = KernelFrameLimit();
    config->measures_cost = options_.measures_cost;
    bpf_map__set_max_entries(skeleton_->maps.stack_copies, static_cast<uint32_t>(cpu_count_));
    bpf_map__set_max_entries(skeleton_->maps.memories, static_cast<uint32_t>(cpu_count_));
    if (!options_.filter_pids) bpf_map__set_max_entries(skeleton_->maps.target_pids, 1);
    if (!options_.filter_comm) bpf_map__set_max_entries(skeleton_->maps.comm_verdicts, 1024);
    if (options_.cgroups.empty()) bpf_map__set_autocreate(skeleton_->maps.target_cgroups, false);
    const bool kernel_follows =
        options_.filter_pids && libbpf_find_vmlinux_btf_id("sched_process_fork", BPF_TRACE_RAW_TP) > 0;
    bpf_program__set_autoload(skeleton_->progs.on_fork, kernel_follows);
    bpf_program__set_autoload(skeleton_->progs.on_mapping,
                              libbpf_find_vmlinux_btf_id("vm_unmapped_area", BPF_TRACE_RAW_TP) > 0);
    if (options_.filter_pids && !kernel_follows) NoteChildren();
  }

  void AllowStackCopies(bool allowed) {
    std::atomic_ref(skeleton_->bss->stack_copy_bytes)
        .store(allowed ? kStackCopiesPerRing * RingBytes(options_.frequency_hz) : 0);
  }

  void NoteChildren() {
    notes_.push_back("this kernel has no tp_btf/sched_process_fork: children of targets are followed up to 0.1 s late");
  }

  Status EnterCgroups() {
    for (uint32_t i = 0; i < options_.cgroups.size(); ++i) {
      KILN_ASSIGN_OR_RETURN(const UniqueFd fd, OpenCgroup(options_.cgroups[i]));
      const int value = fd.get();
      if (bpf_map__update_elem(skeleton_->maps.target_cgroups, &i, sizeof(i), &value, sizeof(value), BPF_ANY) != 0) {
        return ErrnoError(errno, "cannot filter by cgroup {}", options_.cgroups[i]);
      }
    }
    return absl::OkStatus();
  }

  Status CreateRings() {
    const uint32_t bytes = RingBytes(options_.frequency_hz);
    for (uint32_t i = 0; i < static_cast<uint32_t>(ring_count_); ++i) {
      UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "kiln_ring", 0, 0, bytes, nullptr));
      if (!ring.valid()) return ErrnoError(errno, "cannot create a ring buffer of {} KiB", bytes / 1024);
      const int fd = ring.get();
      if (bpf_map__update_elem(skeleton_->maps.rings, &i, sizeof(i), &fd, sizeof(fd), BPF_ANY) != 0) {
        return ErrnoError(errno, "cannot enter ring buffer {}", i);
      }
      if (reader_ == nullptr) {
        reader_.reset(ring_buffer__new(fd, &Impl::HandleRecord, this, nullptr));
        if (reader_ == nullptr) return ErrnoError(errno, "cannot read ring buffer {}", i);
      } else if (const int error = ring_buffer__add(reader_.get(), fd, &Impl::HandleRecord, this); error != 0) {
        return ErrnoError(-error, "cannot read ring buffer {}", i);
      }
      rings_.push_back(std::move(ring));
    }
    return absl::OkStatus();
  }

  static int HandleRecord(void* context, void* data, size_t size) {
    static_cast<Impl*>(context)->handle_({static_cast<const std::byte*>(data), size});
    return 0;
  }

  // The event of one CPU. `fd` belongs to the link.
  struct Event {
    Link link;
    int fd;
    uint64_t enabled_ns = 0;  // as of the last StoppedCpus
  };

  StatusOr<Event> SampleCpu(int cpu) {
    perf_event_attr attributes{};
    attributes.type = options_.event == SamplerEvent::kCycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE;
    attributes.config = options_.event == SamplerEvent::kCycles ? static_cast<uint64_t>(PERF_COUNT_HW_CPU_CYCLES)
                                                                : static_cast<uint64_t>(PERF_COUNT_SW_CPU_CLOCK);
    attributes.freq = 1;
    attributes.sample_freq = static_cast<uint64_t>(options_.frequency_hz);
    attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
    attributes.exclude_idle = 1;
    attributes.disabled = 1;
    UniqueFd event = OpenPerfEvent(attributes, cpu);
    if (!event.valid()) return PerfOpenError(errno, options_, cpu);
    Link link(bpf_program__attach_perf_event(skeleton_->progs.on_sample, event.get()));
    if (link == nullptr) return ErrnoError(errno, "cannot attach the sampler on CPU {}", cpu);
    const int fd = event.Release();  // now the link's
    return Event{.link = std::move(link), .fd = fd};
  }

  Status SampleCpus(const std::vector<int>& cpus) {
    if (options_.frequency_hz == 0) return absl::OkStatus();
    std::erase_if(events_, [&](const auto& entry) { return std::ranges::find(cpus, entry.first) == cpus.end(); });
    Status status;
    for (const int cpu : cpus) {
      if (events_.contains(cpu)) continue;
      if (auto event = SampleCpu(cpu); event.ok()) {
        events_.emplace(cpu, *std::move(event));
      } else {
        status.Update(event.status());
      }
    }
    return status;
  }

  std::vector<int> StoppedCpus() {
    std::vector<int> stopped;
    for (auto& [cpu, event] : events_) {
      std::array<uint64_t, 2> values{};  // count, time enabled
      if (::read(event.fd, values.data(), sizeof(values)) != sizeof(values)) continue;
      if (values[1] == event.enabled_ns) stopped.push_back(cpu);
      event.enabled_ns = values[1];
    }
    return stopped;
  }

  SamplerOptions options_;
  BpfLog log_;
  std::unique_ptr<sampler, SkeletonDeleter> skeleton_;
  int cpu_count_ = 0;  // that can ever come online
  int ring_count_ = 0;
  std::vector<UniqueFd> rings_;
  TableChunks chunks_;  // behind the skeleton, whose map they are entered into
  std::unique_ptr<ring_buffer, RingDeleter> reader_;
  Link fork_link_;
  Link mapping_link_;
  std::map<int, Event> events_;  // by CPU
  std::function<void(std::span<const std::byte>)> handle_;
  std::vector<std::string> notes_;
};

Sampler::Sampler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

StatusOr<Sampler> Sampler::Load(const SamplerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  KILN_RETURN_IF_ERROR(impl->Load());
  return Sampler(std::move(impl));
}

Status Sampler::AddTarget(Pid pid) {
  const uint32_t key = static_cast<uint32_t>(pid.value);
  const uint64_t any_start = 0;
  if (bpf_map__update_elem(impl_->skeleton_->maps.target_pids, &key, sizeof(key), &any_start, sizeof(any_start),
                           BPF_NOEXIST) != 0 &&
      errno != EEXIST) {
    return ErrnoError(errno, "cannot follow process {}", pid.value);
  }
  return absl::OkStatus();
}

bool Sampler::IsTarget(Pid pid) const {
  const uint32_t key = static_cast<uint32_t>(pid.value);
  uint64_t start = 0;
  return bpf_map__lookup_elem(impl_->skeleton_->maps.target_pids, &key, sizeof(key), &start, sizeof(start), 0) == 0;
}

void Sampler::RemoveTarget(Pid pid) {
  const uint32_t key = static_cast<uint32_t>(pid.value);
  bpf_map__delete_elem(impl_->skeleton_->maps.target_pids, &key, sizeof(key), 0);
}

bool Sampler::follows_children() const { return impl_->fork_link_ != nullptr; }

void Sampler::SetCommVerdict(const std::string& comm, bool matches) {
  std::array<char, KILN_COMM_BYTES> key{};
  comm.copy(key.data(), key.size() - 1);
  const uint8_t verdict = matches ? KILN_COMM_MATCHES : KILN_COMM_DIFFERS;
  bpf_map__update_elem(impl_->skeleton_->maps.comm_verdicts, key.data(), key.size(), &verdict, sizeof(verdict),
                       BPF_ANY);
}

StatusOr<std::span<std::byte>> Sampler::AddTableChunk(uint32_t index) {
  return impl_->chunks_.Add(impl_->skeleton_->maps.unwind_tables, index);
}

void Sampler::AwaitTableChunks() { impl_->chunks_.AwaitEntered(); }

Status Sampler::SetProcess(Pid pid, uint32_t reference) {
  const uint32_t key = static_cast<uint32_t>(pid.value);
  const uint64_t value = reference;
  if (bpf_map__update_elem(impl_->skeleton_->maps.processes, &key, sizeof(key), &value, sizeof(value), BPF_ANY) != 0) {
    if (errno == E2BIG) return absl::ResourceExhaustedError("the kernel side knows as many processes as it can");
    return ErrnoError(errno, "cannot enter process {}", pid.value);
  }
  std::atomic_ref(impl_->skeleton_->bss->process_generation).fetch_add(1);
  return absl::OkStatus();
}

void Sampler::RemoveProcess(Pid pid) {
  const uint32_t key = static_cast<uint32_t>(pid.value);
  bpf_map__delete_elem(impl_->skeleton_->maps.processes, &key, sizeof(key), 0);
  std::atomic_ref(impl_->skeleton_->bss->process_generation).fetch_add(1);
}

void Sampler::SetUnwindEpoch(uint32_t epoch) { std::atomic_ref(impl_->skeleton_->bss->unwind_epoch).store(epoch); }
void Sampler::ForgetTables() { std::atomic_ref(impl_->skeleton_->bss->unwind_generation).fetch_add(1); }

Status Sampler::SampleCpus(const std::vector<int>& cpus) { return impl_->SampleCpus(cpus); }
std::vector<int> Sampler::StoppedCpus() { return impl_->StoppedCpus(); }
void Sampler::Stop() { impl_->events_.clear(); }
void Sampler::AllowStackCopies(bool allowed) { impl_->AllowStackCopies(allowed); }
void Sampler::SetFrequency(int frequency_hz) { impl_->options_.frequency_hz = frequency_hz; }

void Sampler::Drain(const std::function<void(std::span<const std::byte>)>& handle) {
  impl_->handle_ = handle;
  ring_buffer__consume(impl_->reader_.get());
  impl_->handle_ = nullptr;
}

int Sampler::wakeup_fd() const { return ring_buffer__epoll_fd(impl_->reader_.get()); }

SamplerCounters Sampler::ReadCounters() const {
  SamplerCounters counters{};
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return counters;
  std::vector<uint64_t> values(static_cast<size_t>(cpus));
  for (uint32_t i = 0; i < KILN_COUNTER_COUNT; ++i) {
    if (bpf_map__lookup_elem(impl_->skeleton_->maps.counters, &i, sizeof(i), values.data(),
                             values.size() * sizeof(uint64_t), 0) != 0) {
      continue;
    }
    for (const uint64_t value : values) counters[i] += value;
  }
  return counters;
}

BpfRunStats Sampler::ReadRunStats() const {
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_program__fd(impl_->skeleton_->progs.on_sample), &info, &size) != 0) return {};
  return {.run_time_ns = info.run_time_ns, .runs = info.run_cnt};
}

uint64_t Sampler::map_bytes() const {
  uint64_t total = 0;
  const auto add = [&total](int fd) {
    const auto text = ReadFile(fmt::format("/proc/self/fdinfo/{}", fd), 65536);
    if (!text.ok()) return;
    if (const size_t at = text->find("memlock:"); at != std::string::npos) {
      total += std::strtoull(text->c_str() + at + 8, nullptr, 10);
    }
  };
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, impl_->skeleton_->obj) {
    if (bpf_map__fd(map) >= 0) add(bpf_map__fd(map));
  }
  for (const UniqueFd& ring : impl_->rings_) add(ring.get());
  for (const UniqueFd& chunk : impl_->chunks_.maps()) add(chunk.get());
  return total;
}

const std::vector<std::string>& Sampler::notes() const { return impl_->notes_; }

}  // namespace kiln::agent
