// SPDX-License-Identifier: Apache-2.0
// The child's side of index_process.h.
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/symbols/index_process.h"
#include "agent/symbols/index_protocol.h"
#include "base/file.h"
#include "symbolizer/debug_file.h"
#include "symbolizer/index/index_builder.h"

namespace kiln::agent {
namespace {

constexpr rlim_t kMaxCpuSeconds = 600;
constexpr rlim_t kMaxIndexBytes = rlim_t{4} << 30;
constexpr rlim_t kMaxFiles = 64;

// A sanitizer maps terabytes for itself.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCanBeLimited = false;
#else
constexpr bool kMemoryCanBeLimited = true;
#endif

void Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{.rlim_cur = most, .rlim_max = most};
  ::setrlimit(resource, &limit);
}

void Say(std::string_view text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

// Without room for an exception's way.
[[noreturn]] void OutOfMemory() {
  Say("the memory that it may take was not enough (--debug-info-memory, debug_info.memory)");
  ::_exit(static_cast<int>(absl::StatusCode::kResourceExhausted));
}

void LimitSelf(const IndexJob& job) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == 1) ::_exit(static_cast<int>(absl::StatusCode::kCancelled));  // it died before
  ::prctl(PR_SET_NAME, "kiln-index");
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_CPU, kMaxCpuSeconds);
  Limit(RLIMIT_FSIZE, kMaxIndexBytes);
  Limit(RLIMIT_NOFILE, kMaxFiles);
  if (job.memory_bytes != 0 && kMemoryCanBeLimited) Limit(RLIMIT_DATA, job.memory_bytes);
  std::set_new_handler(OutOfMemory);
  ::setpriority(PRIO_PROCESS, 0, job.idle ? 19 : 5);
  if (job.idle) {
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);
  }
}

// From here on with no more than any process of this user may.
void DropCapabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  ::syscall(SYS_capset, &header, none);
}

StatusOr<std::optional<symbolizer::ElfFile>> OpenFile(int fd) {
  if (fd < 0) return std::nullopt;
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  StatusOr<symbolizer::ElfFile> elf = symbolizer::ElfFile::Open(std::move(file));
  if (absl::IsUnimplemented(elf.status())) {
    KILN_ASSIGN_OR_RETURN(file, File::Open(path));
    elf = symbolizer::ElfFile::OpenRelocatable(std::move(file));
  }
  KILN_RETURN_IF_ERROR(elf.status());
  return *std::move(elf);
}

Status Index(const IndexJob& job) {
  KILN_ASSIGN_OR_RETURN(const auto code, OpenFile(job.code));
  KILN_ASSIGN_OR_RETURN(const auto debug, OpenFile(job.debug));
  KILN_ASSIGN_OR_RETURN(const auto supplementary, OpenFile(job.supplementary));
  KILN_ASSIGN_OR_RETURN(const auto package, OpenFile(job.package));
  DropCapabilities();
  const symbolizer::DebugPlaces places{.path = job.path, .roots = job.roots, .debug_folders = job.debug_folders};
  const symbolizer::IndexInput input{
      .code = &*code,
      .debug = &*debug,
      .supplementary = supplementary ? &*supplementary : nullptr,
      .package = package ? &*package : nullptr,
      .open_dwo = [&](const symbolizer::dwarf::DwoReference& dwo) -> std::optional<symbolizer::ElfFile> {
        auto found = symbolizer::FindDwoFile(*code, dwo.comp_dir, dwo.name, places).file;
        return found ? std::optional(std::move(found->elf)) : std::nullopt;
      }};
  symbolizer::IndexOptions options{.map_files = true, .scratch_folder = job.scratch_folder};
  if (job.memory_bytes != 0) options.limit_bytes = job.memory_bytes;
  return symbolizer::BuildLineIndex(input, options, job.output);
}

}  // namespace

int RunIndexer(const std::vector<std::string>& arguments) {
  const StatusOr<IndexJob> job = DecodeIndexJob(arguments);
  Status status = job.status();
  if (status.ok()) {
    LimitSelf(*job);
    status = Index(*job);
  }
  if (!status.ok()) Say(Message(status));
  return status.raw_code();
}

}  // namespace kiln::agent
