// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_file.h"

#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace kiln::agent {
namespace {

// TableFileEntry.offset of a page that could not be compiled; of one that is missing it is 0.
constexpr uint32_t kEntryFailed = 1;

template <typename... Args>
Status Damaged(fmt::format_string<Args...> format, Args&&... args) {
  return Error(absl::StatusCode::kDataLoss, format, std::forward<Args>(args)...);
}

uint64_t Hash(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

uint64_t HeaderHash(const TableFileHeader& header) {
  return XXH3_64bits(&header, offsetof(TableFileHeader, header_hash));
}

uint32_t WordsBeforePages(uint32_t page_count) {
  return static_cast<uint32_t>((sizeof(TableFileHeader) + sizeof(TableFileEntry) * size_t{page_count}) / 4);
}

// The header of a table, without counts, directory and hashes.
TableFileHeader MakeHeader(const TableKey& key, const TableFacts& facts) {
  TableFileHeader header{};
  std::memcpy(header.magic, kTableFileMagic, sizeof(header.magic));
  header.format = kTableFormat;
  header.byte_order = kTableFileByteOrder;
  header.machine = key.machine;
  header.tracked = facts.tracked;
  header.build_id_bytes = static_cast<uint8_t>(key.build_id.size() / 2);
  for (size_t i = 0; i < header.build_id_bytes; ++i) {
    const char* digits = key.build_id.data() + 2 * i;
    std::from_chars(digits, digits + 2, header.build_id[i], 16);
  }
  header.device = key.file.identity.device;
  header.inode = key.file.identity.inode;
  header.size = key.file.size;
  header.mtime_ns = key.file.mtime_ns;
  header.ends_hash = key.file.ends_hash;
  header.base = facts.base.value();
  header.page_count = facts.page_count;
  return header;
}

// Whether both headers are of the same object file.
bool IsSameKey(const TableFileHeader& a, const TableFileHeader& b) {
  return a.machine == b.machine && a.build_id_bytes == b.build_id_bytes &&
         std::memcmp(a.build_id, b.build_id, sizeof(a.build_id)) == 0 && a.device == b.device && a.inode == b.inode &&
         a.size == b.size && a.mtime_ns == b.mtime_ns && a.ends_hash == b.ends_hash;
}

PageState StateOf(const std::vector<TableFileEntry>& directory, uint32_t index) {
  if (index >= directory.size()) return PageState::kMissing;
  if (directory[index].words != 0) return PageState::kCompiled;
  return directory[index].offset == kEntryFailed ? PageState::kFailed : PageState::kMissing;
}

Status WriteAt(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot write an unwind table");
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<TableFile> TableFile::Open(std::unique_ptr<const symbolizer::ByteSource> source, const TableKey& key) {
  TableFile file(std::move(source));
  TableFileHeader header;
  if (file.source_->size() < sizeof(header)) return Damaged("a file of {} bytes", file.source_->size());
  KILN_RETURN_IF_ERROR(file.source_->ReadAt(FileOffset(0), std::as_writable_bytes(std::span(&header, 1))));
  KILN_RETURN_IF_ERROR(file.CheckHeader(header, key));
  file.facts_ = {.base = ElfAddress(header.base), .page_count = header.page_count, .tracked = header.tracked};
  file.counts_ = {.rows = header.rows, .derived = header.derived, .inexpressible = header.inexpressible};
  file.machine_ = header.machine;
  KILN_RETURN_IF_ERROR(file.ReadDirectory(header));
  return file;
}

Status TableFile::CheckHeader(const TableFileHeader& header, const TableKey& key) const {
  if (std::memcmp(header.magic, kTableFileMagic, sizeof(header.magic)) != 0) return Damaged("no unwind table");
  if (header.format != kTableFormat || header.byte_order != kTableFileByteOrder) {
    return Error(absl::StatusCode::kFailedPrecondition, "an unwind table of another version");
  }
  if (header.header_hash != HeaderHash(header)) return Damaged("the header does not agree with its hash");
  if (!IsSameKey(header, MakeHeader(key, {}))) {
    return Error(absl::StatusCode::kNotFound, "the unwind table of another file");
  }
  if (header.page_count > kMaxTablePages ||
      uint64_t{header.page_count} * sizeof(TableFileEntry) > source_->size() - sizeof(header)) {
    return Damaged("a file of {} bytes with {} pages", source_->size(), header.page_count);
  }
  return absl::OkStatus();
}

Status TableFile::ReadDirectory(const TableFileHeader& header) {
  directory_.resize(header.page_count);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(directory_));
  KILN_RETURN_IF_ERROR(source_->ReadAt(FileOffset(sizeof(header)), bytes));
  if (Hash(bytes) != header.directory_hash) return Damaged("the directory does not agree with its hash");
  const uint64_t pages_begin = WordsBeforePages(header.page_count), end = source_->size() / 4;
  for (const TableFileEntry& entry : directory_) {
    if (entry.words == 0) {
      if (entry.offset > kEntryFailed) return Damaged("a page without words at {}", entry.offset);
      continue;
    }
    if (entry.words < kMinPageWords || entry.words > kMaxPageWords || entry.offset < pages_begin ||
        uint64_t{entry.offset} + entry.words > end) {
      return Damaged("a page of {} words at {} in a file of {}", entry.words, entry.offset, end);
    }
  }
  return absl::OkStatus();
}

PageState TableFile::page_state(uint32_t index) const { return StateOf(directory_, index); }

uint32_t TableFile::page_words(uint32_t index) const { return index < directory_.size() ? directory_[index].words : 0; }

Status TableFile::ReadPage(uint32_t index, std::span<uint32_t> out) const {
  if (out.empty() || out.size() != page_words(index)) {
    return Error(absl::StatusCode::kInvalidArgument, "page {} has {} words, not {}", index, page_words(index),
                 out.size());
  }
  const TableFileEntry& entry = directory_[index];
  const std::span<std::byte> bytes = std::as_writable_bytes(out);
  KILN_RETURN_IF_ERROR(source_->ReadAt(FileOffset(uint64_t{entry.offset} * 4), bytes));
  if (Hash(bytes) != entry.hash) return Damaged("page {} does not agree with its hash", index);
  out[0] = 0;
  return ValidatePage(out, machine_);
}

TableFileWriter::TableFileWriter(int fd, const TableKey& key, const TableFacts& facts)
    : fd_(fd), key_(key), facts_(facts), end_(WordsBeforePages(std::min(facts.page_count, kMaxTablePages))) {
  directory_.resize(std::min(facts.page_count, kMaxTablePages));
}

Status TableFileWriter::AddPage(uint32_t index, std::span<const uint32_t> words) {
  KILN_RETURN_IF_ERROR(CheckNew(index));
  // Of a page that is in use last_used changes meanwhile.
  buffer_.assign(words.begin(), words.end());
  if (!buffer_.empty()) buffer_[0] = 0;
  KILN_RETURN_IF_ERROR(ValidatePage(buffer_, key_.machine));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(buffer_));
  KILN_RETURN_IF_ERROR(WriteAt(fd_, size(), bytes));
  directory_[index] = {.offset = end_, .words = static_cast<uint32_t>(buffer_.size()), .hash = Hash(bytes)};
  end_ += directory_[index].words;
  const PageCounts counts = CountRows(buffer_, key_.machine);
  counts_.rows += counts.rows;
  counts_.derived += counts.derived;
  counts_.inexpressible += counts.inexpressible;
  return absl::OkStatus();
}

Status TableFileWriter::AddFailedPage(uint32_t index) {
  KILN_RETURN_IF_ERROR(CheckNew(index));
  directory_[index].offset = kEntryFailed;
  return absl::OkStatus();
}

PageState TableFileWriter::page_state(uint32_t index) const { return StateOf(directory_, index); }

Status TableFileWriter::Finish() {
  if (facts_.page_count > kMaxTablePages) {
    return Error(absl::StatusCode::kInvalidArgument, "an unwind table of {} pages", facts_.page_count);
  }
  TableFileHeader header = MakeHeader(key_, facts_);
  header.rows = counts_.rows;
  header.derived = counts_.derived;
  header.inexpressible = counts_.inexpressible;
  const std::span<const std::byte> directory = std::as_bytes(std::span(directory_));
  header.directory_hash = Hash(directory);
  header.header_hash = HeaderHash(header);
  KILN_RETURN_IF_ERROR(WriteAt(fd_, sizeof(header), directory));
  return WriteAt(fd_, 0, std::as_bytes(std::span(&header, 1)));
}

Status TableFileWriter::CheckNew(uint32_t index) const {
  if (index >= directory_.size()) {
    return Error(absl::StatusCode::kInvalidArgument, "page {} of a table of {}", index, directory_.size());
  }
  if (page_state(index) != PageState::kMissing) {
    return Error(absl::StatusCode::kAlreadyExists, "page {} is in the file already", index);
  }
  return absl::OkStatus();
}

}  // namespace kiln::agent
