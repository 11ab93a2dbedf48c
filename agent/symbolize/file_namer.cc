// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/file_namer.h"

#include <limits>

#include "base/root_folder.h"
#include "symbolizer/file_symbolizer.h"
#include "symbolizer/scratch_file.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::FileSymbolizer;

// What addresses count from.
struct Origin {
  uint64_t address = 0;
  uint64_t limit = std::numeric_limits<uint64_t>::max();  // the largest address that is there
};

class FileNamer final : public AddressNamer {
 public:
  FileNamer(std::unique_ptr<FileSymbolizer> symbolizer, std::string path, Origin origin, AddressRole role)
      : symbolizer_(std::move(symbolizer)), path_(std::move(path)), origin_(origin), role_(role) {}

  Answer Name(uint64_t address) override {
    const uint64_t offset = CodeAddress<ElfAddress>{ElfAddress(address), role_}.ForLookup().value();
    const std::string& build_id = symbolizer_->elf().build_id();
    if (offset > origin_.limit) return {.reason = "beyond the section", .module = path_, .build_id = build_id};
    const ElfAddress place(origin_.address + offset);
    return AnswerOf(symbolizer_->Find(place), path_, build_id, place.value());
  }

  std::vector<std::string> Notes() const override {
    if (symbolizer_->note().empty()) return {};
    return {fmt::format("{}: {}", path_, symbolizer_->note())};
  }

 private:
  std::unique_ptr<FileSymbolizer> symbolizer_;
  std::string path_;
  Origin origin_;
  AddressRole role_;
};

// A status with which kiln ends as for a file of the wrong kind.
Status AsDataError(const Status& status, std::string_view path) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted: break;
    default: return status;
  }
  const bool names_it = Message(status).find(path) != std::string_view::npos;
  return Error(absl::StatusCode::kDataLoss, "{}{}", names_it ? "" : fmt::format("{}: ", path), Message(status));
}

StatusOr<std::unique_ptr<FileSymbolizer>> Open(const SymbolizeOptions& options) {
  symbolizer::FileSymbolizerOptions how;
  how.debug_folders = options.debug_folders;
  how.scratch_folder = symbolizer::ScratchFile::UsableFolder();
  if (options.root.empty()) return FileSymbolizer::Open(options.exe, how);
  const std::string path = options.exe.starts_with('/') ? options.exe : "/" + options.exe;
  how.path = path;
  how.roots = {options.root, "/"};
  auto file = OpenInRoot(options.root, path);
  if (!file.ok()) return Annotate(file.status(), fmt::format("in the root {}", options.root));
  return FileSymbolizer::Open(fmt::format("/proc/self/fd/{}", file->fd()), how);
}

}  // namespace

StatusOr<std::unique_ptr<AddressNamer>> OpenFileNamer(const SymbolizeOptions& options) {
  auto symbolizer = Open(options);
  if (!symbolizer.ok()) return AsDataError(symbolizer.status(), options.exe);
  Origin origin;
  if (!options.section.empty()) {
    const ElfFile& elf = (*symbolizer)->elf();
    const ElfFile::Section* section = elf.FindSection(options.section);
    if (section == nullptr || section->size == 0) {
      return Error(absl::StatusCode::kInvalidArgument, "{} has no section {}: readelf -SW lists them", options.exe,
                   options.section);
    }
    origin = {.address = section->address.value(), .limit = section->size - 1};
  }
  return std::make_unique<FileNamer>(
      *std::move(symbolizer), options.exe, origin,
      options.return_addresses ? AddressRole::kReturnAddress : AddressRole::kInstruction);
}

}  // namespace kiln::agent
