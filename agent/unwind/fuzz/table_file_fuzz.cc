// SPDX-License-Identifier: Apache-2.0
// Files and pages of compiled unwind tables. Every input is taken three ways: as a file; as a file whose magic, version
// and hashes are made right, so that the checks behind them are reached; as the words of one page. A page that passes
// is read as a walk does it, at every address, in memory that ends with the page.
#include <elf.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "agent/unwind/table_file.h"
#include "bpf/registers.h"
#include "bpf/unwind_table.h"
#include "symbolizer/byte_source.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

// Longer inputs only cost time, and so do directories that name one page a thousand times.
constexpr size_t kMaxBytes = 1 << 17;
constexpr uint32_t kMaxPages = 32;

void Check(bool condition) {
  if (!condition) std::abort();
}

// The rule of every address, by unwind_table.h's description of rows.
void WalkPage(const std::vector<uint32_t>& words, uint16_t machine) {
  const auto* page = reinterpret_cast<const kiln_page*>(words.data());
  const int registers = machine == EM_X86_64 ? +KILN_X86_WORDS : +KILN_ARM64_WORDS;
  uint32_t row = 0;
  for (uint32_t place = 0; place < 1 << KILN_PAGE_SHIFT; ++place) {
    const uint32_t block = place >> KILN_BLOCK_SHIFT;
    const uint32_t end = page->first_row[block + 1];
    if (KILN_ROW_OFFSET(place) == 0) {
      Check(page->first_row[block] - 1u == row);  // the last row of the block before
    }
    while (row + 1 < end && KILN_ROW_OFFSET(page->rows[row + 1]) <= KILN_ROW_OFFSET(place)) ++row;
    Check(row < page->row_count);
    const uint32_t word = page->rows[row];
    if (KILN_ROW_KIND(word) != KILN_ROW_RULE || KILN_ROW_NUMBER(word) < KILN_FIRST_RULE) continue;
    kiln_rule rule;
    const size_t at = page->rules_at + size_t{KILN_ROW_NUMBER(word) - KILN_FIRST_RULE} * KILN_RULE_WORDS;
    Check(at + KILN_RULE_WORDS <= words.size());
    std::memcpy(&rule, words.data() + at, sizeof(rule));
    Check(rule.cfa_kind <= KILN_CFA_INDEXED && rule.cfa_register < registers && rule.cfa_index < registers);
  }
  const PageCounts counts = CountRows(words, machine);
  Check(counts.rows == page->row_count && counts.derived + counts.inexpressible <= counts.rows);
}

void TryPage(const uint8_t* data, size_t size) {
  std::vector<uint32_t> words(std::min<size_t>(size / 4, kMaxPageWords + 1));
  if (!words.empty()) std::memcpy(words.data(), data, words.size() * 4);
  for (const uint16_t machine : {EM_X86_64, EM_AARCH64}) {
    if (ValidatePage(words, machine).ok()) WalkPage(words, machine);
  }
}

// The key that the header names, so that it is not refused for being of another file.
TableKey KeyOf(const std::vector<std::byte>& bytes) {
  TableFileHeader header{};
  if (bytes.size() >= sizeof(header)) std::memcpy(&header, bytes.data(), sizeof(header));
  TableKey key{.file = {.identity = {.device = header.device, .inode = header.inode},
                        .size = header.size,
                        .mtime_ns = header.mtime_ns,
                        .ends_hash = header.ends_hash},
               .machine = header.machine};
  for (size_t i = 0; i < std::min<size_t>(header.build_id_bytes, sizeof(header.build_id)); ++i) {
    key.build_id += fmt::format("{:02x}", header.build_id[i]);
  }
  return key;
}

void TryFile(std::vector<std::byte> bytes) {
  const TableKey key = KeyOf(bytes);
  const StatusOr<TableFile> file = TableFile::Open(symbolizer::MakeMemorySource(std::move(bytes)), key);
  if (!file.ok()) return;
  for (uint32_t index = 0; index < std::min(file->facts().page_count, kMaxPages); ++index) {
    Check((file->page_state(index) == PageState::kCompiled) == (file->page_words(index) != 0));
    std::vector<uint32_t> words(file->page_words(index));
    if (!words.empty() && file->ReadPage(index, words).ok()) WalkPage(words, key.machine);
  }
}

// Magic, version and hashes as they should be for what the numbers say.
void Repair(std::vector<std::byte>& bytes) {
  TableFileHeader header;
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::memcpy(header.magic, kTableFileMagic, sizeof(header.magic));
  header.format = kTableFormat;
  header.byte_order = kTableFileByteOrder;
  header.build_id_bytes %= sizeof(header.build_id) + 1;
  std::fill(header.build_id + header.build_id_bytes, std::end(header.build_id), 0);
  const size_t entries = std::min<size_t>(header.page_count, (bytes.size() - sizeof(header)) / sizeof(TableFileEntry));
  std::byte* directory = bytes.data() + sizeof(header);
  for (size_t i = 0; i < entries; ++i) {
    TableFileEntry entry;
    std::memcpy(&entry, directory + i * sizeof(entry), sizeof(entry));
    const uint64_t begin = uint64_t{entry.offset} * 4, size = uint64_t{entry.words} * 4;
    if (begin + size <= bytes.size()) entry.hash = XXH3_64bits(bytes.data() + begin, size);
    std::memcpy(directory + i * sizeof(entry), &entry, sizeof(entry));
  }
  header.directory_hash = XXH3_64bits(directory, entries * sizeof(TableFileEntry));
  header.header_hash = XXH3_64bits(&header, offsetof(TableFileHeader, header_hash));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size = std::min(size, kMaxBytes);
  TryPage(data, size);
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> bytes(begin, begin + size);
  TryFile(bytes);
  Repair(bytes);
  TryFile(std::move(bytes));
  return 0;
}
