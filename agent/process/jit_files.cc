// SPDX-License-Identifier: Apache-2.0
#include "agent/process/jit_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <optional>
#include <string_view>

#include "agent/process/object_files.h"
#include "agent/process/process.h"
#include "base/clock.h"
#include "base/root_folder.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;

constexpr size_t kMaxInherited = 4;
constexpr size_t kMaxStatusBytes = 64 * 1024;
// Clocks of files tick some times a second, and the start of a process is known to a tick.
constexpr int64_t kClockSlackNs = 1'000'000'000;

bool SharesMountNamespace(const Process& process) {
  struct stat own {};
  return process.mount_namespace != 0 && ::stat("/proc/self/ns/mnt", &own) == 0 &&
         own.st_ino == process.mount_namespace;
}

// The real, effective, saved and file system user of a live process. Not the owner of /proc/PID: that is root, too,
// where a process has changed its user.
std::vector<uid_t> UsersOf(Pid pid) {
  std::vector<uid_t> users;
  const auto status = ReadFile(fmt::format("/proc/{}/status", pid.value), kMaxStatusBytes);
  if (!status.ok()) return users;
  constexpr std::string_view kBegin = "\nUid:";
  const size_t at = status->find(kBegin);
  if (at == std::string::npos) return users;
  const char* position = status->data() + at + kBegin.size();
  const char* end = status->data() + status->size();
  while (position != end && *position == '\t') {
    uid_t user = 0;
    const auto [after, error] = std::from_chars(position + 1, end, user);
    if (error != std::errc()) break;
    users.push_back(user);
    position = after;
  }
  return users;
}

// The wall clock's time at which the process began; nullopt if not known.
std::optional<int64_t> StartUnixNs(const Process& process) {
  if (process.start_ns == 0) return std::nullopt;
  return UnixNs() - (ReadClockNs(CLOCK_BOOTTIME) - static_cast<int64_t>(process.start_ns));
}

int64_t WrittenUnixNs(const File& file) {
  const timespec& time = file.stat().st_mtim;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Miss MissFromOpen(const Status& status, bool is_there) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return is_there ? Miss::kJitFileUnreadable : Miss::kNoPerfMap;
    case absl::StatusCode::kInvalidArgument: return Miss::kJitFileNoFile;
    case absl::StatusCode::kResourceExhausted: return Miss::kTooManyFiles;
    default: return Miss::kJitFileUnreadable;
  }
}

class Search {
 public:
  Search(const Process& process, std::vector<Pid> views, JitFiles& files)
      : process_(process), views_(std::move(views)), files_(files) {}

  void FindPerfMap() {
    if (auto users = UsersOf(process_.pid); !users.empty() && !views_.empty()) files_.users = std::move(users);
    if (SharesMountNamespace(process_)) views_.push_back({::getpid()});
    for (const Pid view : views_) {
      for (const Pid writer : {process_.namespaced_pid, process_.pid}) {
        if (writer.value != 0 && TakePerfMap(view, writer)) return;
      }
    }
  }

  void FindJitDump() {
    if (process_.mappings == nullptr) return;
    for (const auto& [start, mapping] : *process_.mappings) {
      if (const std::optional<Pid> writer = WriterOf(mapping); writer && TakeJitDump(mapping, *writer)) return;
    }
  }

 private:
  // Of "…/jit-PID.dump".
  std::optional<Pid> WriterOf(const Mapping& mapping) const {
    std::string_view name = mapping.path;
    if (!mapping.is_file() || !name.ends_with(".dump")) return std::nullopt;
    name.remove_suffix(5);
    name.remove_prefix(name.rfind('/') + 1);
    if (!name.starts_with("jit-")) return std::nullopt;
    name.remove_prefix(4);
    Pid writer;
    const auto [after, error] = std::from_chars(name.data(), name.data() + name.size(), writer.value);
    if (error != std::errc() || after != name.data() + name.size()) return std::nullopt;
    if (writer != process_.namespaced_pid && writer != process_.pid) return std::nullopt;
    return writer;
  }

  bool TakePerfMap(Pid view, Pid writer) {
    const std::string path = fmt::format("/tmp/perf-{}.map", writer.value);
    const std::string root = fmt::format("/proc/{}/root", view.value);
    struct stat link {};
    const bool is_there = ::lstat((root + path).c_str(), &link) == 0;
    auto file = OpenInRoot(root, path);
    if (!file.ok()) return Pass(MissFromOpen(file.status(), is_there));
    const bool is_link = !is_there || S_ISLNK(link.st_mode);
    const uid_t owner = file->stat().st_uid;
    const std::vector<uid_t>& users = files_.users;
    if (!users.empty() && (owner != 0 || is_link) && std::ranges::find(users, owner) == users.end()) {
      return Pass(Miss::kJitFileForeign);
    }
    const auto start_ns = StartUnixNs(process_);
    if (start_ns && WrittenUnixNs(*file) + kClockSlackNs < *start_ns) return Pass(Miss::kJitFileOld);
    return Take(JitFile::Kind::kPerfMap, writer, path, *std::move(file));
  }

  bool TakeJitDump(const Mapping& mapping, Pid writer) {
    auto mapped = File::Open(
        fmt::format("/proc/{}/map_files/{:x}-{:x}", process_.pid.value, mapping.start.value(), mapping.end.value()));
    if (mapped.ok() && IsMapped(*mapped, mapping)) {
      return Take(JitFile::Kind::kJitDump, writer, mapping.path, *std::move(mapped));
    }
    Miss miss = Miss::kJitFileUnreadable;
    for (const Pid view : views_) {
      auto file = OpenInRoot(fmt::format("/proc/{}/root", view.value), mapping.path);
      if (!file.ok()) {
        miss = MissFromOpen(file.status(), true);
        continue;
      }
      // Overlayfs shows another device number to stat than to the memory map.
      if (file->identity().inode == mapping.inode) {
        return Take(JitFile::Kind::kJitDump, writer, mapping.path, *std::move(file));
      }
      miss = Miss::kJitFileForeign;
    }
    return Pass(miss);
  }

  // Whether this, opened by its place in the memory, is the file of the mapping. On overlayfs both numbers are others:
  // there the name has to do.
  static bool IsMapped(const File& file, const Mapping& mapping) {
    if (file.identity().inode == mapping.inode) return true;
    if (file.identity().device == mapping.device) return false;
    char target[PATH_MAX];
    const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", file.fd()).c_str(), target, sizeof(target));
    if (size <= 0) return false;
    const std::string path = MappingPath({target, static_cast<size_t>(size)});
    return path.substr(path.rfind('/') + 1) == mapping.path.substr(mapping.path.rfind('/') + 1);
  }

  // What is there and no use tells more than what is not there.
  bool Pass(Miss miss) {
    if (files_.miss == Miss::kNoPerfMap) files_.miss = miss;
    return false;
  }

  bool Take(JitFile::Kind kind, Pid writer, std::string path, File file) {
    if (file.fd() > LastObjectFd()) return Pass(Miss::kTooManyFiles);
    std::erase_if(files_.files, [&](const JitFile& known) { return known.kind == kind && !known.inherited; });
    files_.files.push_back({.kind = kind,
                            .writer = writer,
                            .path = std::move(path),
                            .file = std::make_shared<const File>(std::move(file))});
    std::ranges::stable_sort(files_.files, {}, [](const JitFile& f) { return std::pair(f.inherited, f.kind); });
    return true;
  }

  const Process& process_;
  std::vector<Pid> views_;
  JitFiles& files_;
};

// Not if it was deleted: the process, or another one of its pid, may write it anew.
bool HasPerfMap(const JitFiles& files) {
  return std::ranges::any_of(files.files, [](const JitFile& known) {
    struct stat now {};
    return known.kind == JitFile::Kind::kPerfMap && !known.inherited && ::fstat(known.file->fd(), &now) == 0 &&
           now.st_nlink > 0;
  });
}

}  // namespace

bool JitFiles::Has(JitFile::Kind kind) const {
  return std::ranges::any_of(files, [kind](const JitFile& file) { return file.kind == kind && !file.inherited; });
}

JitFiles InheritJitFiles(const JitFiles& of_parent) {
  JitFiles files = {.files = of_parent.files};
  if (files.files.size() > kMaxInherited) files.files.resize(kMaxInherited);
  for (JitFile& file : files.files) file.inherited = true;
  return files;
}

void FindJitFiles(const Process& process, std::vector<Pid> views, JitFiles& files) {
  if (!views.empty()) files.miss = Miss::kNoPerfMap;  // else what was seen while it lived is all there is
  Search search(process, std::move(views), files);
  if (!files.Has(JitFile::Kind::kJitDump)) search.FindJitDump();
  if (!HasPerfMap(files)) search.FindPerfMap();
}

}  // namespace kiln::agent
