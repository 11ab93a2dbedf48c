// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_compiler.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "symbolizer/unwind/code_span.h"

namespace kiln::agent {
namespace {

// Of compiled pages that are kept to be stored together.
constexpr uint64_t kMaxUnstoredBytes = 16 << 20;

}  // namespace

struct TableCompiler::Table {
  struct NewPage {
    uint32_t index;
    std::vector<uint32_t> words;  // empty: it could not be made
  };

  std::optional<TableKey> key;      // nullopt: not to be cached
  std::optional<TableFile> cached;  // what the cache had when the table was opened
  bool is_run = false;              // a page of it was asked for
  // Opened for the first page that the cache lacks.
  bool is_open = false;
  TableSource source;  // without a builder if the file can't be read
  std::vector<NewPage> unstored;

  uint32_t number = 0;
  std::shared_ptr<const symbolizer::ElfFile> elf;
  DebugFilePlaces places;
  std::vector<bool> done;    // by page
  uint32_t next = 0;         // no page below it is left
  uint32_t next_cached = 0;  // no page below it is left in the cache
};

TableCompiler::TableCompiler(const std::string& cache_folder) {
  if (cache_folder.empty()) return;
  cache_.emplace(cache_folder);
  counts_.cache = cache_->status();
}

TableCompiler::~TableCompiler() = default;

TableCompiler::Table& TableCompiler::Open(uint32_t table, const std::shared_ptr<const symbolizer::ElfFile>& elf,
                                          const DebugFilePlaces& places) {
  if (table >= tables_.size()) tables_.resize(table + 1);
  std::unique_ptr<Table>& entry = tables_[table];
  if (entry != nullptr) return *entry;
  entry = std::make_unique<Table>();
  entry->number = table;
  entry->elf = elf;
  entry->places = places;
  if (const auto span = symbolizer::FindCodeSpan(*elf); span.ok()) {
    entry->done.resize(std::min<uint32_t>(span->page_count, KILN_MAX_DIRECTORY_PAGES));
  }
  if (!cache_ || elf->file() == nullptr) return *entry;
  const auto fingerprint = TakeFingerprint(*elf->file());
  if (!fingerprint.ok()) return *entry;
  entry->key = MakeTableKey(elf->build_id(), *fingerprint, elf->machine());
  entry->cached = cache_->Find(*entry->key);
  return *entry;
}

bool TableCompiler::TakeFromCache(Table& table, CompiledPage& page) {
  if (!table.cached) return false;
  page.tracked = table.cached->facts().tracked;
  switch (table.cached->page_state(page.page)) {
    case PageState::kMissing: return false;
    case PageState::kFailed: return true;
    case PageState::kCompiled: break;
  }
  page.words.resize(table.cached->page_words(page.page));
  if (table.cached->ReadPage(page.page, page.words).ok()) return true;
  page.words.clear();
  table.cached.reset();
  cache_->Discard(*table.key);
  return false;
}

void TableCompiler::CompileNow(Table& table, CompiledPage& page) {
  if (!std::exchange(table.is_open, true)) {
    auto source = OpenTableSource(*table.elf, table.places);
    if (source.ok()) table.source = *std::move(source);
    ++(table.source.builder != nullptr ? counts_.tables : counts_.failed_tables);
    if (table.source.debug_file != nullptr) {
      ++counts_.debug_files;
      table.key.reset();  // which does not tell whether the debug file was there
    }
  }
  symbolizer::UnwindTableBuilder* const builder = table.source.builder.get();
  if (builder == nullptr || page.page >= builder->page_count()) return;
  page.tracked = builder->tracked();
  builder->CompilePage(page.page, page.words);
  if (!page.words.empty()) {
    ++counts_.pages;
    counts_.rows += reinterpret_cast<const kiln_page*>(page.words.data())->row_count;
    counts_.bytes += page.words.size() * sizeof(uint32_t);
  }
  if (!table.key) return;
  table.unstored.push_back({.index = page.page, .words = page.words});
  unstored_bytes_ += page.words.size() * sizeof(uint32_t);
}

CompiledPage TableCompiler::Compile(uint32_t table, const std::shared_ptr<const symbolizer::ElfFile>& elf,
                                    const DebugFilePlaces& places, uint32_t page) {
  const double start = ThreadCpuSeconds();
  CompiledPage compiled{.table = table, .page = page, .tracked = KILN_NO_REGISTER, .words = {}};
  Table& opened = Open(table, elf, places);
  if (page < opened.done.size()) opened.done[page] = true;
  if (!std::exchange(opened.is_run, true)) ahead_ = std::min<size_t>(ahead_, table);
  if (TakeFromCache(opened, compiled)) {
    ++counts_.cached_pages;
  } else {
    CompileNow(opened, compiled);
  }
  if (compiled.words.empty()) ++counts_.failed_pages;
  if (unstored_bytes_ > kMaxUnstoredBytes) Store();
  counts_.cpu_seconds += ThreadCpuSeconds() - start;
  return compiled;
}

bool TableCompiler::TakeCached(uint32_t number, const std::shared_ptr<const symbolizer::ElfFile>& elf,
                               const DebugFilePlaces& places, size_t limit, std::vector<CompiledPage>& pages) {
  const double start = ThreadCpuSeconds();
  Table& table = Open(number, elf, places);
  for (; table.cached && table.next_cached < table.done.size() && limit > 0; ++table.next_cached) {
    const uint32_t index = table.next_cached;
    if (table.done[index] || table.cached->page_state(index) == PageState::kMissing) continue;
    CompiledPage page{.table = number, .page = index, .tracked = KILN_NO_REGISTER, .words = {}};
    if (!TakeFromCache(table, page)) continue;
    table.done[index] = true;
    ++counts_.cached_pages;
    if (page.words.empty()) ++counts_.failed_pages;
    pages.push_back(std::move(page));
    --limit;
  }
  counts_.cpu_seconds += ThreadCpuSeconds() - start;
  return table.cached && table.next_cached < table.done.size();
}

std::optional<CompiledPage> TableCompiler::CompileAhead() {
  for (; ahead_ < tables_.size(); ++ahead_) {
    Table* const table = tables_[ahead_].get();
    if (table == nullptr || !table->is_run) continue;
    while (table->next < table->done.size() && table->done[table->next]) ++table->next;
    if (table->next < table->done.size()) return Compile(table->number, table->elf, table->places, table->next);
    // All is made: what it was made from takes much memory.
    if (table->unstored.empty()) Close(*table);
  }
  return std::nullopt;
}

void TableCompiler::Close(Table& table) {
  table.source = {};
  table.is_open = false;
}

void TableCompiler::Store() {
  if (!cache_) return;
  for (const std::unique_ptr<Table>& table : tables_) {
    if (table == nullptr || table->unstored.empty()) continue;
    Store(*table);
    if (table->next == table->done.size()) Close(*table);
  }
  unstored_bytes_ = 0;
  counts_.cache = cache_->status();
}

void TableCompiler::Store(Table& table) {
  std::vector<TableCache::Page> pages;
  for (const Table::NewPage& page : table.unstored) pages.push_back({.index = page.index, .words = page.words});
  const symbolizer::UnwindTableBuilder& builder = *table.source.builder;
  const TableFacts facts{.base = builder.base(), .page_count = builder.page_count(), .tracked = builder.tracked()};
  cache_->Store(*table.key, facts, pages);
  table.unstored.clear();
}

void TableCompiler::Forget(uint32_t table) {
  if (table >= tables_.size() || tables_[table] == nullptr) return;
  if (!tables_[table]->unstored.empty()) Store(*tables_[table]);  // unstored_bytes_ is only too large then
  tables_[table].reset();
}

}  // namespace kiln::agent
