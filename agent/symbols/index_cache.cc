// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/index_cache.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <array>
#include <utility>
#include <vector>

namespace kiln::agent {
namespace {

constexpr std::string_view kSuffix = ".lines";

// The key is all in the name: a file that only bears another one's build id has another name.
std::string FileName(const TableKey& key) {
  const std::array<uint64_t, 6> numbers = {key.file.identity.device, key.file.identity.inode, key.file.size,
                                           key.file.mtime_ns,        key.file.ends_hash,      key.machine};
  const XXH128_hash_t hash = ::XXH3_128bits(numbers.data(), sizeof(numbers));
  return fmt::format("{}{}{:016x}{:016x}{}", key.build_id, key.build_id.empty() ? "f-" : "-", hash.high64, hash.low64,
                     kSuffix);
}

uint64_t SizeOf(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

StatusOr<std::shared_ptr<const symbolizer::LineIndex>> OpenIndex(const File& file) {
  KILN_ASSIGN_OR_RETURN(symbolizer::LineIndex index, symbolizer::LineIndex::Open(file));
  return std::make_shared<const symbolizer::LineIndex>(std::move(index));
}

}  // namespace

IndexCache::IndexCache(const std::string& folder, uint64_t limit_bytes) : path_(folder), limit_bytes_(limit_bytes) {
  if (folder.empty() || limit_bytes == 0) return;
  StatusOr<CacheFolder> opened = CacheFolder::Open(folder);
  if (opened.ok()) {
    folder_ = *std::move(opened);
  } else {
    status_ = opened.status();
  }
}

std::shared_ptr<const symbolizer::LineIndex> IndexCache::Find(const TableKey& key) {
  if (!folder_) return nullptr;
  const std::string name = FileName(key);
  const StatusOr<File> file = folder_->OpenFile(name);
  if (file.ok()) {
    auto index = OpenIndex(*file);
    if (index.ok()) {
      ++counts_.hits;
      return *std::move(index);
    }
    if (folder_->Remove(name)) ++counts_.removed_files;
  }
  ++counts_.misses;
  return nullptr;
}

StatusOr<IndexCache::Draft> IndexCache::Create() {
  Draft draft;
  if (folder_) {
    StatusOr<CacheFolder::NewFile> file = folder_->Create();
    if (file.ok()) {
      draft.file_.emplace(*std::move(file));
      return draft;
    }
    status_ = file.status();
  }
  draft.memory_ = UniqueFd(::memfd_create("kiln-lines", MFD_CLOEXEC));
  if (!draft.memory_.valid()) return ErrnoError(errno, "cannot make a file in memory");
  return draft;
}

StatusOr<std::shared_ptr<const symbolizer::LineIndex>> IndexCache::Keep(Draft draft, const TableKey& key) {
  const std::string name = FileName(key);
  KILN_ASSIGN_OR_RETURN(const File written, File::Open(fmt::format("/proc/self/fd/{}", draft.fd())));
  KILN_ASSIGN_OR_RETURN(auto index, OpenIndex(written));
  if (draft.file_) {
    const uint64_t bytes = SizeOf(draft.fd());
    // Larger than all may be together: it serves this process, and is gone with the draft's name.
    if (bytes <= limit_bytes_) {
      status_ = MakeRoom(bytes);
      if (status_.ok()) status_ = folder_->Publish(*draft.file_, name);
      if (status_.ok()) ++counts_.stored_files;
    }
  }
  return index;
}

Status IndexCache::MakeRoom(uint64_t bytes) {
  KILN_ASSIGN_OR_RETURN(const std::vector<CacheFolder::Entry> entries, folder_->List(kSuffix));
  uint64_t sum = bytes;
  for (const CacheFolder::Entry& entry : entries) sum += entry.bytes;
  for (const CacheFolder::Entry& entry : entries) {
    if (sum <= limit_bytes_) break;
    if (!folder_->Remove(entry.name)) continue;
    sum -= entry.bytes;
    ++counts_.evicted_files;
  }
  return absl::OkStatus();
}

}  // namespace kiln::agent
