// SPDX-License-Identifier: Apache-2.0
#include "agent/process/object_files.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string_view>

#include "symbolizer/vdso.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::Miss;

// The file of a mapping, deleted or not, in any mount namespace: needs CAP_CHECKPOINT_RESTORE (or CAP_SYS_ADMIN). It is
// the file that is mapped there now: in a program that loads and unloads libraries it may be another one.
std::string MapFilesPath(Pid pid, const Mapping& mapping) {
  return fmt::format("/proc/{}/map_files/{:x}-{:x}", pid.value, mapping.start.value(), mapping.end.value());
}

std::string_view LastPart(std::string_view path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.substr(path.rfind('/') + 1);
}

// Whether `file`, opened by MapFilesPath, is that of `mapping`. Overlayfs shows other numbers to stat than to the
// memory map: there the name has to do, its last part, since the rest depends on the mount namespace.
bool IsMappedFile(const File& file, const Mapping& mapping) {
  if (file.identity().inode == mapping.inode) return true;
  if (file.identity().device == mapping.device) return false;
  char target[PATH_MAX];
  const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", file.fd()).c_str(), target, sizeof(target));
  return size > 0 && LastPart({target, static_cast<size_t>(size)}) == LastPart(mapping.path);
}

}  // namespace

int LastObjectFd() {
  constexpr rlim_t kReserved = 256;
  constexpr rlim_t kMax = 1 << 30;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t all = std::min(limit.rlim_cur, kMax);
  return static_cast<int>(all - std::min(kReserved, all / 2)) - 1;
}

ObjectFiles::ObjectFiles(int last_fd) : last_fd_(last_fd) {
  struct stat info {};
  if (::stat("/proc/self/ns/mnt", &info) == 0) own_mount_namespace_ = static_cast<uint32_t>(info.st_ino);
}

ObjectId ObjectFiles::Find(const Process& process, const Mapping& mapping,
                           absl::FunctionRef<std::vector<Pid>()> views) {
  const bool is_vdso = mapping.path == "[vdso]";
  if (is_vdso && vdso_) return *vdso_;
  auto known = by_key_.find(KeyView(mapping.device, mapping.inode, mapping.path));
  const bool added = known == by_key_.end();
  if (added) {
    Key key(mapping.device, mapping.inode, mapping.path);
    const ObjectId id{last_id_++};
    objects_.emplace(id, Entry{.file = nullptr, .tried_for = std::nullopt, .key = key});
    known = by_key_.emplace(std::move(key), id).first;
  }
  const ObjectId id = known->second;
  Entry& entry = objects_.at(id);
  entry.asked_in = round_;
  const bool is_missing = !added && !entry.file->elf && entry.tried_for != process.id &&
                          (entry.file->miss == Miss::kNoFile || entry.file->miss == Miss::kUnreadable);
  if (!added && !is_missing) return id;
  auto object = std::make_shared<ObjectFile>();
  object->path = mapping.path;
  object->seen_in = process.pid;
  if (is_vdso) {
    vdso_ = id;
    if (auto elf = symbolizer::ReadVdso(); elf.ok()) {
      object->build_id = elf->build_id();
      object->elf.emplace(*std::move(elf));
    } else {
      object->miss = symbolizer::MissFromStatus(elf.status());
    }
  } else {
    entry.tried_for = process.id;
    TryOpen(*object, process, mapping, views());
  }
  entry.file = std::move(object);
  return id;
}

void ObjectFiles::ForgetUnused(uint32_t rounds) {
  ++round_;
  absl::erase_if(objects_, [&](const auto& item) {
    const auto& [id, entry] = item;
    if (id == vdso_ || entry.file.use_count() > 1 || round_ - entry.asked_in <= rounds) return false;
    by_key_.erase(entry.key);
    return true;
  });
}

bool ObjectFiles::TryOpen(ObjectFile& object, const Process& process, const Mapping& mapping,
                          const std::vector<Pid>& views) const {
  object.miss = Miss::kNoFile;
  const auto take = [&](const std::string& path, bool is_exact) {
    auto file = File::Open(path);
    if (!file.ok()) {
      if (file.status().code() == absl::StatusCode::kPermissionDenied) object.miss = Miss::kUnreadable;
      return false;
    }
    if (file->fd() > last_fd_) {  // numbers are given out from below
      object.miss = Miss::kTooManyFiles;
      return true;
    }
    // A path alone may lead to a newer file of that name. Only the inode is compared: overlayfs and btrfs show another
    // device number to stat than to the memory map.
    if (is_exact ? !IsMappedFile(*file, mapping) : file->identity().inode != mapping.inode) return false;
    auto elf = ElfFile::Open(*std::move(file));
    if (!elf.ok()) {
      object.miss = symbolizer::MissFromStatus(elf.status());
      return true;
    }
    object.build_id = elf->build_id();
    object.elf.emplace(*std::move(elf));
    object.miss = Miss::kNone;
    return true;
  };
  if (take(MapFilesPath(process.pid, mapping), true)) return object.elf.has_value();
  for (const Pid view : views) {
    if (take(fmt::format("/proc/{}/root{}", view.value, mapping.path), false)) return object.elf.has_value();
  }
  if (process.mount_namespace == 0 || process.mount_namespace == own_mount_namespace_) {
    if (take(mapping.path, false)) return object.elf.has_value();
  }
  return false;
}

}  // namespace kiln::agent
