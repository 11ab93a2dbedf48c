// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_facts.h"

#include <elf.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/file.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxTextBytes = 1 << 16;
constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD of the kernel's include/linux/sched.h

// The value of a line "Key:\tvalue" of /proc/PID/status; "" if there is none.
std::string_view ValueOf(std::string_view status, std::string_view key) {
  while (!status.empty()) {
    std::string_view line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(line.size() + 1, status.size()));
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    line.remove_prefix(key.size() + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return line;
  }
  return "";
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end != text.data() ? std::optional(number) : std::nullopt;
}

// Field 9 of a /proc/PID/stat text; 0 if damaged. The name in field 2 may hold anything but ends with the last ')'.
uint64_t FlagsOf(std::string_view stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return 0;
  stat.remove_prefix(name_end + 1);
  for (int field = 3; field <= 9; ++field) {
    const size_t space = stat.find(' ');
    if (space == std::string_view::npos) return 0;
    stat.remove_prefix(space + 1);
  }
  return Number(stat).value_or(0);
}

uint32_t InodeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<uint32_t>(info.st_ino) : 0;
}

bool Is32Bit(const std::string& executable) {
  const StatusOr<File> file = File::Open(executable);
  std::array<std::byte, EI_NIDENT> identity{};
  if (!file.ok() || !file->ReadAt(FileOffset(0), identity).ok()) return false;
  return std::memcmp(identity.data(), ELFMAG, SELFMAG) == 0 && identity[EI_CLASS] == std::byte{ELFCLASS32};
}

// OK if the memory map may be read.
Status CheckReadable(const std::string& maps, Pid pid) {
  const StatusOr<std::string> text = ReadFile(maps, size_t{64} << 20);
  if (text.ok()) return absl::OkStatus();
  if (text.status().code() == absl::StatusCode::kPermissionDenied) {
    return Error(absl::StatusCode::kPermissionDenied,
                 "the memory map of process {} may not be read: run kiln as root (sudo)", pid.value);
  }
  return Annotate(text.status(), fmt::format("process {}", pid.value));
}

}  // namespace

StatusOr<ProcessFacts> ReadProcessFacts(Pid pid, const std::string& proc_root) {
  const std::string folder = fmt::format("{}/{}", proc_root, pid.value);
  const StatusOr<std::string> status = ReadFile(folder + "/status", kMaxTextBytes);
  if (!status.ok()) {
    return Error(absl::StatusCode::kNotFound,
                 "there is no process {}: give the pid of a running one (pgrep finds it by name)", pid.value);
  }
  if (const auto group = Number(ValueOf(*status, "Tgid")); group && *group != static_cast<uint64_t>(pid.value)) {
    return Error(absl::StatusCode::kNotFound, "{} is a thread of process {}: give --pid {}", pid.value, *group, *group);
  }
  ProcessFacts facts{.pid = pid, .name = std::string(ValueOf(*status, "Name")), .namespaced_pid = pid};
  const StatusOr<std::string> stat = ReadFile(folder + "/stat", kMaxTextBytes);
  if (stat.ok() && (FlagsOf(*stat) & kKernelThread) != 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} ({}) is a kernel thread: it has no user stack", pid.value,
                 facts.name);
  }
  // The first thread of a process may be a zombie while others run.
  const std::string_view state = ValueOf(*status, "State");
  if ((state.starts_with('Z') || state.starts_with('X')) && Number(ValueOf(*status, "Threads")).value_or(1) <= 1) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} ({}) is a zombie: it has ended, and nobody has waited for it", pid.value, facts.name);
  }
  if (!state.starts_with('Z')) KILN_RETURN_IF_ERROR(CheckReadable(folder + "/maps", pid));
  if (Is32Bit(folder + "/exe")) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "{} ({}) is a 32-bit program: kiln walks the stacks of 64-bit ones", pid.value, facts.name);
  }
  // The last number is the pid in the innermost namespace.
  const std::string_view pids = ValueOf(*status, "NSpid");
  if (const auto inner = Number(pids.substr(pids.find_last_of(" \t") + 1))) {
    facts.namespaced_pid = Pid{static_cast<int32_t>(*inner)};
  }
  facts.mount_namespace = InodeOf(folder + "/ns/mnt");
  const uint32_t own = InodeOf(proc_root + "/self/ns/mnt");
  facts.other_mount_namespace = facts.mount_namespace != 0 && own != 0 && own != facts.mount_namespace;
  return facts;
}

}  // namespace kiln::agent
