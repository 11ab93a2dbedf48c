// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/file_symbolizer.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "symbolizer/code_namer.h"
#include "symbolizer/debug_files.h"
#include "symbolizer/index/index_builder.h"
#include "symbolizer/plt_symbols.h"
#include "symbolizer/scratch_file.h"

namespace kiln::symbolizer {
namespace {

class Symbolizer final : public FileSymbolizer {
 public:
  Symbolizer(ElfFile elf, DebugPlaces places) : elf_(std::move(elf)), places_(std::move(places)) {}

  void Read(const FileSymbolizerOptions& options) {
    files_ = FindDebugFiles(elf_, places_);
    if (files_.debug) debug_path_ = files_.debug->path;
    ReadSymbols();
    if (auto go = GoNames::Find(elf_); go.ok()) go_ = *std::move(go);
    if (options.debug_info) {
      if (const Status status = BuildIndex(options.scratch_folder); !status.ok()) note_ = Message(status);
    }
    // Names of all that a large file has, asked for in any order, take about as much as its index.
    namer_.emplace(NameSources{.go = go_ ? &*go_ : nullptr,
                               .lines = index_ ? &*index_ : nullptr,
                               .symbols = symbols_ ? &*symbols_ : nullptr,
                               .symbols_miss = symbols_miss_},
                   std::max<size_t>(DemangledNames::kMaxBytes, index_ ? index_->bytes() : 0));
  }

  const ElfFile& elf() const override { return elf_; }
  const std::string& debug_path() const override { return debug_path_; }
  const std::string& note() const override { return note_; }

 private:
  CodeNamer& names() override { return *namer_; }

  void ReadSymbols() {
    const std::vector<const ElfFile*> files = files_.SymbolFilesOf(elf_);
    const std::vector<PltStub> stubs = ReadPltStubs(elf_);
    auto symbols = SymbolTable::Read({.files = files, .stubs = stubs});
    if (symbols.ok()) {
      symbols_ = *std::move(symbols);
    } else {
      symbols_miss_ = MissFromStatus(symbols.status());
    }
  }

  Status BuildIndex(const std::string& scratch_folder) {
    const ElfFile* const info = files_.InfoOf(elf_);
    if (info == nullptr) {
      if (go_) return absl::OkStatus();
      return Error(absl::StatusCode::kNotFound, "no debug information: the file has none, and of a separate file: {}{}",
                   DebugMissName(files_.debug_miss),
                   files_.passed_over.empty() ? "" : fmt::format(" ({})", files_.passed_over));
    }
    KILN_ASSIGN_OR_RETURN(const UniqueFd fd, ScratchFile::CreateUnnamed(scratch_folder));
    const IndexInput input{.code = &elf_,
                           .debug = info,
                           .supplementary = files_.supplementary ? &files_.supplementary->elf : nullptr,
                           .package = files_.package ? &files_.package->elf : nullptr,
                           .open_dwo = [this](const dwarf::DwoReference& dwo) -> std::optional<ElfFile> {
                             auto file = std::move(FindDwoFile(elf_, dwo.comp_dir, dwo.name, places_).file);
                             return file ? std::optional(std::move(file->elf)) : std::nullopt;
                           }};
    KILN_RETURN_IF_ERROR(BuildLineIndex(input, {.scratch_folder = scratch_folder}, fd.get()));
    KILN_ASSIGN_OR_RETURN(const File file, File::Open(fmt::format("/proc/self/fd/{}", fd.get())));
    KILN_ASSIGN_OR_RETURN(index_, LineIndex::Open(file));
    const LineIndexHeader& header = index_->header();
    if (files_.supplementary_miss != DebugMiss::kNone) {
      note_ = fmt::format("some names are missing: the file of .gnu_debugaltlink: {}",
                          DebugMissName(files_.supplementary_miss));
    } else if (header.missing_units != 0) {
      note_ = fmt::format("some functions are missing: {} of {} units are split, and their .dwo files were not found",
                          header.missing_units, header.units);
    } else if (header.damaged_units != 0) {
      note_ = fmt::format("{} of {} units of debug information are damaged", header.damaged_units, header.units);
    }
    return absl::OkStatus();
  }

  ElfFile elf_;
  DebugPlaces places_;
  DebugFiles files_;
  std::string debug_path_;
  std::string note_;
  std::optional<SymbolTable> symbols_;
  Miss symbols_miss_ = Miss::kNone;
  std::optional<LineIndex> index_;
  std::optional<GoNames> go_;
  std::optional<CodeNamer> namer_;  // by what is above
};

// The folders of debug files are named by absolute paths.
std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::canonical(path, error);
  return error ? path : absolute.string();
}

}  // namespace

StatusOr<std::unique_ptr<FileSymbolizer>> FileSymbolizer::Open(const std::string& path,
                                                               const FileSymbolizerOptions& options) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  StatusOr<ElfFile> elf = ElfFile::Open(std::move(file));
  if (absl::IsUnimplemented(elf.status())) {
    // An object file that was not linked, as kernel modules are.
    KILN_ASSIGN_OR_RETURN(file, File::Open(path));
    elf = ElfFile::OpenRelocatable(std::move(file));
  }
  KILN_RETURN_IF_ERROR(elf.status());
  const std::string place = options.path.empty() ? AbsolutePath(path) : options.path;
  auto symbolizer = std::make_unique<Symbolizer>(
      *std::move(elf), DebugPlaces{.path = place, .roots = options.roots, .debug_folders = options.debug_folders});
  symbolizer->Read(options);
  return symbolizer;
}

}  // namespace kiln::symbolizer
