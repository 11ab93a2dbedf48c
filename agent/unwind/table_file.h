// SPDX-License-Identifier: Apache-2.0
// A file that holds the compiled unwind table of one object file, or some of its pages: a table is compiled page by
// page as samples ask for it.
//
// Files come from a cache folder, so they may be of another version, cut or damaged, and nobody should be able to hurt
// kiln through them, nor the walk in the kernel: all numbers are checked when the file is opened, and every page is
// checked by hash and by content (ValidatePage) when it is read. A file is written once and never changed after.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/unwind/table_file_format.h"
#include "agent/unwind/table_key.h"
#include "agent/unwind/table_page.h"
#include "base/address.h"
#include "base/status.h"
#include "symbolizer/byte_source.h"

namespace kiln::agent {

// 4 GiB of code.
inline constexpr uint32_t kMaxTablePages = 65536;

// What holds for a table as a whole.
struct TableFacts {
  ElfAddress base;  // of byte 0 of page 0
  uint32_t page_count = 0;
  uint8_t tracked = 0xff;  // see kiln_directory
  friend bool operator==(const TableFacts&, const TableFacts&) = default;
};

enum class PageState : uint8_t {
  kMissing,   // not in the file
  kFailed,    // was tried and can't be compiled (KILN_PAGE_FAILED)
  kCompiled,  // in the file
};

// Move-only; keeps its source open. Const methods are thread-safe.
class TableFile {
 public:
  // kFailedPrecondition: of another format; kNotFound: of another object file than `key`; kDataLoss: damaged. Reads the
  // header and the directory; costs at most kMaxTablePages entries of memory, and no more than the file has.
  static StatusOr<TableFile> Open(std::unique_ptr<const symbolizer::ByteSource> source, const TableKey& key);

  const TableFacts& facts() const { return facts_; }
  // Of the pages in the file.
  const PageCounts& counts() const { return counts_; }
  // kMissing for an index beyond the table.
  PageState page_state(uint32_t index) const;
  // 4-byte words of a page; 0 unless it is compiled.
  uint32_t page_words(uint32_t index) const;
  // Fills `out`, which must have page_words(index) words, with a page; last_used is 0. kDataLoss if the page is
  // damaged, kInvalidArgument if it isn't there or `out` is of another size, else as ByteSource::ReadAt. After an error
  // `out` has any content: a caller that reads into table memory publishes it only after OK.
  Status ReadPage(uint32_t index, std::span<uint32_t> out) const;

 private:
  explicit TableFile(std::unique_ptr<const symbolizer::ByteSource> source) : source_(std::move(source)) {}
  Status CheckHeader(const TableFileHeader& header, const TableKey& key) const;
  Status ReadDirectory(const TableFileHeader& header);

  std::unique_ptr<const symbolizer::ByteSource> source_;
  TableFacts facts_;
  PageCounts counts_;
  uint16_t machine_ = 0;
  std::vector<TableFileEntry> directory_;
};

// Thread-compatible.
class TableFileWriter {
 public:
  // Writes into `fd`, an empty file that stays open until Finish.
  TableFileWriter(int fd, const TableKey& key, const TableFacts& facts);

  // kDataLoss if ValidatePage finds fault, kInvalidArgument for an index beyond the table, kAlreadyExists if the page
  // is there: these leave the file as it was. Else the error of write(2). `words` may lie in table memory that is in
  // use.
  Status AddPage(uint32_t index, std::span<const uint32_t> words);
  // Marks a page as kFailed. kInvalidArgument, kAlreadyExists as above.
  Status AddFailedPage(uint32_t index);
  // The state of a page so far; kMissing for an index beyond the table.
  PageState page_state(uint32_t index) const;
  // Writes header and directory. The file can't be opened before.
  Status Finish();
  // Bytes of the file as it is or will be after Finish.
  uint64_t size() const { return uint64_t{end_} * 4; }

 private:
  Status CheckNew(uint32_t index) const;

  const int fd_;
  const TableKey key_;
  const TableFacts facts_;
  PageCounts counts_;
  std::vector<TableFileEntry> directory_;
  std::vector<uint32_t> buffer_;
  uint32_t end_;  // words
};

}  // namespace kiln::agent
