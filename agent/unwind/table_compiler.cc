// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_compiler.h"

#include <utility>

#include "base/clock.h"

namespace kiln::agent {

struct TableCompiler::Table {
  TableSource source;  // without a builder if the file can't be read
};

TableCompiler::TableCompiler(const std::string&) {}
TableCompiler::~TableCompiler() = default;

TableCompiler::Table& TableCompiler::Open(uint32_t table, const symbolizer::ElfFile& elf,
                                          const DebugFilePlaces& places) {
  if (table >= tables_.size()) tables_.resize(table + 1);
  std::unique_ptr<Table>& entry = tables_[table];
  if (entry != nullptr) return *entry;
  entry = std::make_unique<Table>();
  if (auto source = OpenTableSource(elf, places); source.ok()) {
    entry->source = *std::move(source);
    ++counts_.tables;
    if (entry->source.debug_file != nullptr) ++counts_.debug_files;
  } else {
    ++counts_.failed_tables;
  }
  return *entry;
}

CompiledPage TableCompiler::Compile(uint32_t table, const symbolizer::ElfFile& elf, const DebugFilePlaces& places,
                                    uint32_t page) {
  const double start = ThreadCpuSeconds();
  CompiledPage compiled{.table = table, .page = page, .tracked = KILN_NO_REGISTER, .words = {}};
  const auto& builder = Open(table, elf, places).source.builder;
  if (builder != nullptr && page < builder->page_count()) {
    compiled.tracked = builder->tracked();
    builder->CompilePage(page, compiled.words);
  }
  if (compiled.words.empty()) {
    ++counts_.failed_pages;
  } else {
    ++counts_.pages;
    counts_.rows += reinterpret_cast<const kiln_page*>(compiled.words.data())->row_count;
    counts_.bytes += compiled.words.size() * sizeof(uint32_t);
  }
  counts_.cpu_seconds += ThreadCpuSeconds() - start;
  return compiled;
}

void TableCompiler::Store() {}

}  // namespace kiln::agent
