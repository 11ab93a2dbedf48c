// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/file_symbolizer.h"

#include <sys/mman.h>

#include <optional>
#include <utility>

#include "symbolizer/debug_file.h"
#include "symbolizer/index/index_builder.h"
#include "symbolizer/index/line_index.h"
#include "symbolizer/symbol_table.h"

namespace kiln::symbolizer {
namespace {

class Symbolizer final : public FileSymbolizer {
 public:
  explicit Symbolizer(ElfFile elf) : elf_(std::move(elf)) {}

  void FindFiles(const std::string& path, const FileSymbolizerOptions& options) {
    debug_ = FindDebugFile(elf_, path, options.roots);
    if (debug_) debug_path_ = debug_->path;
  }

  void ReadSymbols() {
    auto table = SymbolTable::Read(elf_);
    if (table.ok())
      symbols_ = *std::move(table);
    else
      symbols_miss_ = MissFromStatus(table.status());
    if (!debug_) return;
    auto debug = SymbolTable::Read(debug_->elf);
    if (debug.ok()) debug_symbols_ = *std::move(debug);
  }

  void ReadDebugInfo() {
    const Status status = BuildIndex();
    if (!status.ok()) note_ = fmt::format("no lines: {}", Message(status));
  }

  Naming Lookup(ElfAddress address) const override {
    return Combine(index_ ? &*index_ : nullptr, address, [&] {
      std::string_view name = symbols_.LookupRaw(address);
      return name.empty() ? debug_symbols_.LookupRaw(address) : name;
    });
  }
  const ElfFile& elf() const override { return elf_; }
  const std::string& debug_path() const override { return debug_path_; }
  const std::string& note() const override { return note_; }

 private:
  Status BuildIndex() {
    const UniqueFd fd(::memfd_create("kiln-index", MFD_CLOEXEC));
    if (!fd.valid()) return ErrnoError(errno, "cannot make a file in memory");
    const IndexInput input{.code = &elf_, .debug = debug_ ? &debug_->elf : &elf_};
    KILN_RETURN_IF_ERROR(BuildLineIndex(input, {}, fd.get()));
    KILN_ASSIGN_OR_RETURN(const File file, File::Open(fmt::format("/proc/self/fd/{}", fd.get())));
    KILN_ASSIGN_OR_RETURN(index_, LineIndex::Open(file));
    return absl::OkStatus();
  }

  template <typename Symbol>
  Naming Combine(const LineIndex* index, ElfAddress address, Symbol symbol) const {
    Naming naming;
    std::vector<LineIndex::Line> lines;
    if (index != nullptr) index->Lookup(address, lines);
    for (const LineIndex::Line& line : lines) {
      std::string_view name = line.function;
      if (name.empty()) name = symbol();
      if (name.empty()) continue;
      SourceLine named = std::move(NamingOf(name).lines.front());
      named.file = line.file;
      named.line = line.line;
      named.column = line.column;
      named.start_line = line.start_line;
      naming.lines.push_back(std::move(named));
    }
    if (!naming.lines.empty()) return naming;
    if (const std::string_view name = symbol(); !name.empty()) return NamingOf(name);
    return MissOf(symbols_miss_ != Miss::kNone ? symbols_miss_ : symbols_.Lookup(address).miss);
  }

  ElfFile elf_;
  std::optional<DebugFile> debug_;
  std::string debug_path_;
  std::string note_;
  SymbolTable symbols_;
  SymbolTable debug_symbols_;
  Miss symbols_miss_ = Miss::kNone;
  std::optional<LineIndex> index_;
};

}  // namespace

StatusOr<std::unique_ptr<const FileSymbolizer>> FileSymbolizer::Open(const std::string& path,
                                                                     const FileSymbolizerOptions& options) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  KILN_ASSIGN_OR_RETURN(ElfFile elf, ElfFile::Open(std::move(file)));
  auto symbolizer = std::make_unique<Symbolizer>(std::move(elf));
  symbolizer->FindFiles(options.path.empty() ? path : options.path, options);
  symbolizer->ReadSymbols();
  if (options.debug_info) symbolizer->ReadDebugInfo();
  return symbolizer;
}

}  // namespace kiln::symbolizer
