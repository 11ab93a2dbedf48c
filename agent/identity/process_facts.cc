// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/process_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "agent/identity/mount_facts.h"
#include "agent/process/proc_stat.h"
#include "base/clock.h"
#include "base/status.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxStatBytes = 4096;
constexpr size_t kMaxCgroupBytes = 64 << 10;
constexpr size_t kMaxMountBytes = 512 << 10;
constexpr size_t kMaxEnvironmentBytes = 256 << 10;  // the links that Kubernetes adds for services fill some 50 KiB
// Twice of what may leave, so that a secret is rarely cut in two before it is found.
constexpr size_t kMaxCommandLineBytes = 4096;
constexpr size_t kReadBytes = 32 << 10;
constexpr size_t kMaxContainerNames = 4096;
constexpr size_t kMaxThreads = 64;  // that are looked at for one that lives

constexpr std::string_view kDeleted = " (deleted)";
constexpr std::string_view kUnreachable = "(unreachable)";

// Field 2 of a /proc/PID/stat text, which may hold anything.
std::string_view CommOf(std::string_view stat) {
  const size_t begin = stat.find('('), end = stat.rfind(')');
  if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) return "";
  return stat.substr(begin + 1, end - begin - 1);
}

}  // namespace

std::string Rfc3339(int64_t unix_ns) {
  const int64_t unix_ms = unix_ns / 1'000'000;
  const time_t seconds = static_cast<time_t>(unix_ms / 1000);
  tm parts{};
  if (unix_ns <= 0 || ::gmtime_r(&seconds, &parts) == nullptr) return "";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, unix_ms % 1000);
}

ProcessFactsReader::ProcessFactsReader(Options options, IdentityMetrics& metrics)
    : options_(std::move(options)), metrics_(metrics), users_(options_.passwd_path) {
  const UniqueFd self(::open((options_.proc_root + "/self").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!self.valid()) return;
  mount_namespace_ = ReadLink(self.get(), "ns/mnt").value_or("");
  user_namespace_ = ReadLink(self.get(), "ns/user").value_or("");
}

ProcessFacts ProcessFactsReader::WithoutReading(const KnownProcess& known) {
  ProcessFacts facts{
      .pid = known.pid, .parent_pid = known.parent_pid, .namespaced_pid = known.namespaced_pid, .comm = known.comm};
  if (known.start_ns != 0) facts.creation_unix_ns = BootUnixNs() + static_cast<int64_t>(known.start_ns);
  return facts;
}

std::optional<ProcessFacts> ProcessFactsReader::Read(const KnownProcess& known) {
  const UniqueFd folder(
      ::open(fmt::format("{}/{}", options_.proc_root, known.pid.value).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    CountFailure(Part::kProcess, errno);
    return std::nullopt;
  }
  ProcessFacts facts = WithoutReading(known);
  UniqueFd living;
  const auto text = ReadPart(folder.get(), "stat", kMaxStatBytes, Part::kStat);
  if (!text) return std::nullopt;
  if (const auto stat = ParseProcStat(*text)) {
    const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    if (known.start_ns != 0 && stat->start_ticks != known.start_ns / tick_ns) {
      metrics_.CountMiss(Part::kProcess, Miss::kReused);
      return std::nullopt;
    }
    if (stat->state == 'Z') living = LivingThread(folder.get());
    facts.parent_pid = stat->parent_pid;
    facts.is_kernel_thread = (stat->flags & kKernelThreadFlag) != 0;
    if (facts.comm.empty()) facts.comm = CommOf(*text);
    if (facts.creation_unix_ns == 0 && stat->start_ticks < INT64_MAX / tick_ns) {
      facts.creation_unix_ns = BootUnixNs() + static_cast<int64_t>(stat->start_ticks * tick_ns);
    }
  } else {
    metrics_.CountMiss(Part::kStat, Miss::kOther);
  }
  // A kernel thread has no file, no memory and no user; its cgroup says nothing of it.
  if (facts.is_kernel_thread) return facts;

  const int files = living.valid() ? living.get() : folder.get();
  ReadExecutable(files, facts);
  if (const auto cgroup = ReadPart(files, "cgroup", kMaxCgroupBytes, Part::kCgroup)) {
    facts.cgroup = ParseCgroup(*cgroup);
  }
  ReadMounts(files, facts);
  if (!options_.environment_names.empty()) {
    bool complete = true;
    if (const auto environment = ReadPart(files, "environ", kMaxEnvironmentBytes, Part::kEnvironment, &complete)) {
      facts.environment = ParseEnvironment(*environment, options_.environment_names, complete);
    }
  }
  if (options_.command_line_redactor != nullptr) ReadCommandLine(files, facts);

  // The folder itself belongs to the effective user, also where its files belong to root (prctl(2), PR_SET_DUMPABLE).
  if (struct stat info{}; ::fstat(folder.get(), &info) == 0) {
    // The host's names mean nothing for a container's users, nor for those of another user namespace.
    const bool by_name = facts.cgroup.container_id.empty() && facts.cgroup.pod_uid.empty() &&
                         ReadLink(files, "ns/user").value_or("") == user_namespace_;
    facts.owner = by_name ? users_.NameOf(info.st_uid) : std::to_string(info.st_uid);
  }
  return facts;
}

std::optional<std::string_view> ProcessFactsReader::ReadPart(int folder, const char* name, size_t limit, Part part,
                                                             bool* complete) {
  const UniqueFd fd(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    CountFailure(part, errno);
    return std::nullopt;
  }
  size_t size = 0;
  for (;;) {
    const size_t room = std::min(kReadBytes, limit + 1 - size);  // one more byte shows that there is more
    if (buffer_.size() < size + room) buffer_.resize(size + room);
    const ssize_t count = ::read(fd.get(), buffer_.data() + size, room);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      CountFailure(part, errno);
      return std::nullopt;
    }
    size += static_cast<size_t>(count);
    if (count == 0 || size > limit) break;
  }
  if (complete != nullptr) *complete = size <= limit;
  if (size > limit) metrics_.CountMiss(part, Miss::kTooLarge);
  return std::string_view(buffer_.data(), std::min(size, limit));
}

std::optional<std::string> ProcessFactsReader::ReadLink(int folder, const char* name) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(folder, name, target.data(), target.size());
  if (size < 0) return std::nullopt;
  if (static_cast<size_t>(size) == target.size()) {
    errno = ENAMETOOLONG;
    return std::nullopt;
  }
  return std::string(target.data(), static_cast<size_t>(size));
}

UniqueFd ProcessFactsReader::LivingThread(int folder) {
  // opendir(3) wants a descriptor that can be read, unlike that of the folder.
  DIR* tasks = ::fdopendir(::openat(folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (tasks == nullptr) return UniqueFd();
  UniqueFd found;
  for (size_t looked_at = 0; looked_at < kMaxThreads && !found.valid(); ++looked_at) {
    const dirent* entry = ::readdir(tasks);
    if (entry == nullptr) break;
    UniqueFd thread(::openat(::dirfd(tasks), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (thread.valid() && ReadLink(thread.get(), "exe")) found = std::move(thread);
  }
  ::closedir(tasks);
  return found;
}

void ProcessFactsReader::CountFailure(Part part, int error_number) {
  switch (error_number) {
    case ENOENT:
    case ESRCH: return metrics_.CountMiss(part, Miss::kGone);
    case EACCES:
    case EPERM: return metrics_.CountMiss(part, Miss::kDenied);
    case ENAMETOOLONG: return metrics_.CountMiss(part, Miss::kTooLarge);
    default: return metrics_.CountMiss(part, Miss::kOther);
  }
}

void ProcessFactsReader::ReadExecutable(int folder, ProcessFacts& facts) {
  auto path = ReadLink(folder, "exe");
  if (!path) return CountFailure(Part::kExecutable, errno);
  if (path->starts_with(kUnreachable)) path->erase(0, kUnreachable.size());
  if (path->ends_with(kDeleted)) {
    // A file may really be called so.
    struct stat info {};
    const bool exists = ::fstatat(folder, "exe", &info, 0) == 0 && info.st_nlink > 0;
    if (!exists) path->resize(path->size() - kDeleted.size());
  }
  facts.executable_path = *std::move(path);
}

void ProcessFactsReader::ReadCommandLine(int folder, ProcessFacts& facts) {
  bool complete = true;
  auto text = ReadPart(folder, "cmdline", kMaxCommandLineBytes, Part::kCommandLine, &complete);
  if (!text) return;
  std::vector<std::string_view> arguments;
  while (!text->empty()) {
    const size_t zero = text->find('\0');
    // What is cut might be half of a secret that no rule knows any more.
    if (zero == std::string_view::npos && !complete && !arguments.empty()) break;
    arguments.push_back(text->substr(0, zero));
    text->remove_prefix(zero == std::string_view::npos ? text->size() : zero + 1);
  }
  // A process that wrote a title over its arguments leaves many zero bytes behind it.
  while (!arguments.empty() && arguments.back().empty()) arguments.pop_back();
  facts.command_line = options_.command_line_redactor->CommandLine(arguments);
}

// Mounts are read for two reasons: the cgroup tells of no container but the process has a mount namespace of its own,
// or it tells of a pod but not by which name the container is called there.
void ProcessFactsReader::ReadMounts(int folder, ProcessFacts& facts) {
  CgroupFacts& cgroup = facts.cgroup;
  const bool unknown = cgroup.container_id.empty() && cgroup.systemd_unit.empty();
  const bool unnamed = !cgroup.pod_uid.empty();
  if (!unknown && !unnamed) return;
  if (const auto known = container_names_.find(cgroup.container_id);
      !cgroup.container_id.empty() && known != container_names_.end()) {
    facts.container_name = known->second;
    return;
  }
  const auto mount_namespace = ReadLink(folder, "ns/mnt");
  if (!mount_namespace) return CountFailure(Part::kMounts, errno);
  if (*mount_namespace == mount_namespace_) return;
  const auto text = ReadPart(folder, "mountinfo", kMaxMountBytes, Part::kMounts);
  if (!text) return;
  MountFacts mounts = ParseMountInfo(*text);
  // The mounts of a process that has only just entered the cgroup of its container may still be the host's.
  if (!cgroup.pod_uid.empty() && mounts.pod_uid != cgroup.pod_uid) return;
  if (cgroup.container_id.empty()) {
    cgroup.container_id = std::move(mounts.container_id);
    cgroup.container_runtime = std::move(mounts.container_runtime);
  }
  if (cgroup.pod_uid.empty()) cgroup.pod_uid = std::move(mounts.pod_uid);
  facts.container_name = std::move(mounts.container_name);
  if (facts.container_name.empty() || cgroup.container_id.empty()) return;
  if (container_names_.size() >= kMaxContainerNames) container_names_.clear();
  container_names_.emplace(cgroup.container_id, facts.container_name);
}

// The wall clock is set while we run. Within a second it is taken for what it was, so that a process that is read
// twice has one creation time.
int64_t ProcessFactsReader::BootUnixNs() {
  const int64_t now =
      options_.boot_unix_ns ? options_.boot_unix_ns() : ReadClockNs(CLOCK_REALTIME) - ReadClockNs(CLOCK_BOOTTIME);
  if (std::llabs(now - boot_unix_ns_) > 1'000'000'000) boot_unix_ns_ = now;
  return boot_unix_ns_;
}

}  // namespace kiln::agent::identity
