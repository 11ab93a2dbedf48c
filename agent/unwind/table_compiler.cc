// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_compiler.h"

#include <utility>

#include "base/clock.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::agent {

struct TableCompiler::Table {
  std::unique_ptr<symbolizer::UnwindTableBuilder> builder;  // nullptr: the file can't be read
};

TableCompiler::TableCompiler(const std::string&) {}
TableCompiler::~TableCompiler() = default;

TableCompiler::Table& TableCompiler::Open(uint32_t table, const symbolizer::ElfFile& elf) {
  if (table >= tables_.size()) tables_.resize(table + 1);
  std::unique_ptr<Table>& entry = tables_[table];
  if (entry != nullptr) return *entry;
  entry = std::make_unique<Table>();
  if (auto builder = symbolizer::UnwindTableBuilder::Open(elf); builder.ok()) {
    entry->builder = *std::move(builder);
    ++counts_.tables;
  } else {
    ++counts_.failed_tables;
  }
  return *entry;
}

CompiledPage TableCompiler::Compile(uint32_t table, const symbolizer::ElfFile& elf, uint32_t page) {
  const double start = ThreadCpuSeconds();
  CompiledPage compiled{.table = table, .page = page, .tracked = KILN_NO_REGISTER, .words = {}};
  Table& opened = Open(table, elf);
  if (opened.builder != nullptr && page < opened.builder->page_count()) {
    compiled.tracked = opened.builder->tracked();
    opened.builder->CompilePage(page, compiled.words);
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
