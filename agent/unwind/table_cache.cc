// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_cache.h"

#include <memory>
#include <utility>
#include <vector>

#include "symbolizer/byte_source.h"

namespace kiln::agent {
namespace {

// Looking through the folder costs a system call per file. So room is made for more than one file, and what other kilns
// add goes unseen until this one has added its sixteenth.
constexpr uint64_t kRoomPart = 8, kUnseenPart = 16;

uint64_t OnDisk(uint64_t bytes) {
  constexpr uint64_t kBlock = 4096;
  return (bytes + kBlock - 1) / kBlock * kBlock;
}

// Whether AddPage refused this page but can go on.
bool IsRefusal(const Status& status) {
  return status.code() == absl::StatusCode::kDataLoss || status.code() == absl::StatusCode::kInvalidArgument ||
         status.code() == absl::StatusCode::kAlreadyExists;
}

}  // namespace

TableCache::TableCache(const std::string& folder, uint64_t limit_bytes) : path_(folder), limit_bytes_(limit_bytes) {
  StatusOr<CacheFolder> opened = CacheFolder::Open(folder);
  if (opened.ok()) {
    folder_ = *std::move(opened);
  } else {
    TurnOff(opened.status());
  }
}

std::optional<TableFile> TableCache::Find(const TableKey& key) {
  if (!folder_) return std::nullopt;
  StatusOr<TableFile> table = OpenTable(key);
  if (table.ok()) {
    ++counts_.hits;
    return *std::move(table);
  }
  ++counts_.misses;
  switch (table.status().code()) {
    case absl::StatusCode::kNotFound: break;
    case absl::StatusCode::kFailedPrecondition: ++counts_.other_version; break;
    case absl::StatusCode::kAborted: ++counts_.other_file; break;
    case absl::StatusCode::kDataLoss: Discard(key); break;
    default: TurnOff(table.status());
  }
  return std::nullopt;
}

void TableCache::Store(const TableKey& key, const TableFacts& facts, std::span<const Page> pages) {
  if (!folder_ || facts.page_count > kMaxTablePages) return;
  if (const Status status = WriteTable(key, facts, pages); !status.ok()) TurnOff(status);
}

void TableCache::Discard(const TableKey& key) {
  if (folder_ && folder_->Remove(TableFileName(key))) ++counts_.damaged_files;
}

StatusOr<TableFile> TableCache::OpenTable(const TableKey& key) const {
  KILN_ASSIGN_OR_RETURN(File file, folder_->OpenFile(TableFileName(key)));
  StatusOr<TableFile> table = TableFile::Open(symbolizer::MakeFileSource(std::move(file)), key);
  // Told apart from a file that isn't there.
  if (table.status().code() == absl::StatusCode::kNotFound) return absl::AbortedError(table.status().message());
  // Cut while it was read, which nobody does to a file of ours.
  if (table.status().code() == absl::StatusCode::kOutOfRange) return absl::DataLossError(table.status().message());
  return table;
}

Status TableCache::WriteTable(const TableKey& key, const TableFacts& facts, std::span<const Page> pages) {
  KILN_ASSIGN_OR_RETURN(CacheFolder::NewFile file, folder_->Create());
  TableFileWriter writer(file.fd(), key, facts);
  for (const Page& page : pages) {
    const Status status =
        page.words.empty() ? writer.AddFailedPage(page.index) : writer.AddPage(page.index, page.words);
    if (IsRefusal(status)) {
      ++counts_.refused_pages;
    } else {
      KILN_RETURN_IF_ERROR(status);
    }
  }
  KILN_RETURN_IF_ERROR(AddOldPages(key, facts, writer));
  KILN_RETURN_IF_ERROR(writer.Finish());
  const uint64_t bytes = OnDisk(writer.size());
  KILN_RETURN_IF_ERROR(MakeRoom(file, bytes));
  if (bytes > limit_bytes_) {
    ++counts_.too_large_files;
    return absl::OkStatus();
  }
  KILN_RETURN_IF_ERROR(folder_->Publish(file, TableFileName(key)));
  written_bytes_ += bytes;
  ++counts_.stored_files;
  return absl::OkStatus();
}

Status TableCache::AddOldPages(const TableKey& key, const TableFacts& facts, TableFileWriter& writer) {
  const StatusOr<TableFile> old = OpenTable(key);
  if (!old.ok() || old->facts() != facts) return absl::OkStatus();
  std::vector<uint32_t> words;
  for (uint32_t index = 0; index < facts.page_count; ++index) {
    if (writer.page_state(index) != PageState::kMissing) continue;
    Status status;
    switch (old->page_state(index)) {
      case PageState::kMissing: break;
      case PageState::kFailed: status = writer.AddFailedPage(index); break;
      case PageState::kCompiled:
        words.resize(old->page_words(index));
        if (old->ReadPage(index, words).ok()) {
          status = writer.AddPage(index, words);
        } else {
          ++counts_.damaged_pages;
        }
    }
    KILN_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

Status TableCache::MakeRoom(const CacheFolder::NewFile& now, uint64_t bytes) {
  const bool seen = listed_bytes_ && written_bytes_ <= limit_bytes_ / kUnseenPart;
  if (seen && *listed_bytes_ + written_bytes_ + bytes <= limit_bytes_) return absl::OkStatus();
  KILN_ASSIGN_OR_RETURN(const size_t leftovers, folder_->RemoveLeftovers(now));
  counts_.leftover_files += leftovers;
  KILN_ASSIGN_OR_RETURN(std::vector<CacheFolder::Entry> entries, folder_->List(kTableFileSuffix));
  std::erase_if(entries, [](const CacheFolder::Entry& entry) { return !IsTableFileName(entry.name); });
  uint64_t total = 0;
  for (const CacheFolder::Entry& entry : entries) total += OnDisk(entry.bytes);
  // Nothing is removed for a file that won't be stored.
  const uint64_t coming = bytes > limit_bytes_ ? 0 : bytes;
  if (total + coming > limit_bytes_) {
    const uint64_t wanted = limit_bytes_ - limit_bytes_ / kRoomPart;
    for (const CacheFolder::Entry& entry : entries) {
      if (total + coming <= wanted || total == 0) break;
      // One that is gone already was removed by another kiln.
      if (folder_->Remove(entry.name)) {
        ++counts_.evicted_files;
        counts_.evicted_bytes += entry.bytes;
      }
      total -= OnDisk(entry.bytes);
    }
  }
  listed_bytes_ = total;
  written_bytes_ = 0;
  return absl::OkStatus();
}

void TableCache::TurnOff(const Status& status) {
  folder_.reset();
  status_ = Annotate(status, fmt::format("the cache of unwind tables in {} is off", path_));
}

}  // namespace kiln::agent
