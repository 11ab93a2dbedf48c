// SPDX-License-Identifier: Apache-2.0
// The probes use bpf(2) and perf_event_open(2) directly. libbpf would hide what we are here to find: it raises limits,
// retries and words errors for programmers; and it has its place in agent/collect.
#include "agent/doctor/host_system.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

#include "base/fd.h"
#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 20;
constexpr size_t kMaxBtfBytes = size_t{64} << 20;

// The new descriptor, or minus errno.
int Bpf(bpf_cmd command, bpf_attr& attributes) {
  const long result = ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
  return result >= 0 ? static_cast<int>(result) : -errno;
}

bpf_attr ZeroAttributes() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof(attributes));
  return attributes;
}

int ErrnoOf(int descriptor_or_error) {
  if (descriptor_or_error < 0) return -descriptor_or_error;
  ::close(descriptor_or_error);
  return 0;
}

}  // namespace

StatusOr<std::string> HostSystem::ReadText(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxTextBytes));
  text.resize(text.find_last_not_of(" \n\t") + 1);
  return text;
}

bool HostSystem::CanRead(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

StatusOr<std::string> HostSystem::ReadLink(const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length < 0) return ErrnoError(errno, "cannot read the link {}", path);
  return std::string(target.data(), static_cast<size_t>(length));
}

bool HostSystem::BtfHasName(const std::string& name) {
  if (!btf_) {
    auto btf = ReadFile("/sys/kernel/btf/vmlinux", kMaxBtfBytes);
    btf_ = btf.ok() ? *std::move(btf) : "";
  }
  // Names stand in the string section, each between two NULs; the binary part can't hold one by chance.
  const std::string entry = std::string(1, '\0') + name + std::string(1, '\0');
  return btf_->find(entry) != std::string::npos;
}

std::string HostSystem::KernelRelease() {
  struct utsname name {};
  return ::uname(&name) == 0 ? name.release : "";
}

std::string HostSystem::Architecture() {
  struct utsname name {};
  return ::uname(&name) == 0 ? name.machine : "";
}

std::string HostSystem::ProgramPath() { return ReadLink("/proc/self/exe").value_or("kiln"); }

int HostSystem::ProbeRingBuffer() {
  bpf_attr attributes = ZeroAttributes();
  attributes.map_type = BPF_MAP_TYPE_RINGBUF;
  attributes.max_entries = static_cast<uint32_t>(::sysconf(_SC_PAGESIZE));
  return ErrnoOf(Bpf(BPF_MAP_CREATE, attributes));
}

int HostSystem::ProbeMapOfMaps() {
  bpf_attr inner = ZeroAttributes();
  inner.map_type = BPF_MAP_TYPE_ARRAY;
  inner.key_size = 4;
  inner.value_size = 8;
  inner.max_entries = 1;
  const UniqueFd inner_fd(Bpf(BPF_MAP_CREATE, inner));
  if (!inner_fd.valid()) return -inner_fd.get();  // minus errno
  bpf_attr outer = ZeroAttributes();
  outer.map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS;
  outer.key_size = 4;
  outer.value_size = 4;
  outer.max_entries = 1;
  outer.inner_map_fd = static_cast<uint32_t>(inner_fd.get());
  return ErrnoOf(Bpf(BPF_MAP_CREATE, outer));
}

int HostSystem::ProbeBpfProgram() {
  std::array<bpf_insn, 2> code{};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;  // r0 = 0
  code[1].code = BPF_JMP | BPF_EXIT;
  constexpr char kLicense[] = "GPL";
  bpf_attr attributes = ZeroAttributes();
  attributes.prog_type = BPF_PROG_TYPE_PERF_EVENT;
  attributes.insn_cnt = code.size();
  attributes.insns = reinterpret_cast<uintptr_t>(code.data());
  attributes.license = reinterpret_cast<uintptr_t>(kLicense);
  return ErrnoOf(Bpf(BPF_PROG_LOAD, attributes));
}

int HostSystem::ProbePerfEvent(PerfEvent event) {
  struct perf_event_attr attributes {};
  attributes.size = sizeof(attributes);
  const bool software = event == PerfEvent::kCpuClock;
  attributes.type = software ? PERF_TYPE_SOFTWARE : PERF_TYPE_HARDWARE;
  attributes.config =
      software ? static_cast<uint64_t>(PERF_COUNT_SW_CPU_CLOCK) : static_cast<uint64_t>(PERF_COUNT_HW_CPU_CYCLES);
  attributes.disabled = 1;
  attributes.freq = 1;
  attributes.sample_freq = 1;
  const long result = ::syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
  return result >= 0 ? ErrnoOf(static_cast<int>(result)) : errno;
}

uint64_t HostSystem::MemlockLimitBytes() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

}  // namespace kiln::agent
