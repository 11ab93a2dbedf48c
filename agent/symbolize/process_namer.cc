// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/process_namer.h"

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <set>

#include "agent/doctor/process_facts.h"
#include "agent/flush/jit_names.h"
#include "agent/flush/kernel_names.h"
#include "agent/process/jit_files.h"
#include "agent/process/mapping_table.h"
#include "agent/process/object_files.h"
#include "agent/session/environment.h"
#include "agent/symbols/line_indexes.h"
#include "symbolizer/file_symbolizer.h"
#include "symbolizer/scratch_file.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {
namespace {

using symbolizer::CodeNamer;
using symbolizer::FileSymbolizer;
using symbolizer::Miss;
using symbolizer::Naming;
using symbolizer::SymbolTable;

// Both architectures give the upper half of the addresses to the kernel.
constexpr uint64_t kKernelStart = uint64_t{1} << 63;

class ProcessNamer final : public AddressNamer {
 public:
  ProcessNamer(const ProcessFacts& facts, std::vector<Mapping> mappings, const SymbolizeOptions& options)
      : process_{.id = ImageId{0},
                 .pid = facts.pid,
                 .namespaced_pid = facts.namespaced_pid,
                 .mount_namespace = facts.mount_namespace,
                 .mappings = std::make_shared<MappingTable>(std::move(mappings))},
        role_(options.return_addresses ? AddressRole::kReturnAddress : AddressRole::kInstruction) {
    how_.debug_folders = options.debug_folders;
    how_.scratch_folder = symbolizer::ScratchFile::UsableFolder();
    how_.roots = {fmt::format("/proc/{}/root", facts.pid.value), "/"};
  }

  Answer Name(uint64_t address) override {
    const ProcessAddress place = CodeAddress<ProcessAddress>{ProcessAddress(address), role_}.ForLookup();
    const Mapping* mapping = process_.mappings->Find(place);
    if (mapping == nullptr) {
      if (place.value() >= kKernelStart) return NameKernel(place);
      return {.reason = "no executable memory at the address"};
    }
    if (!mapping->is_file() && mapping->path != "[vdso]") return NameJit(place);
    const ObjectId id = objects_.Find(process_, *mapping, [this] { return std::vector{process_.pid}; });
    Object& object = ObjectOf(id);
    // Code in a file that is no program: some compilers map their cache so.
    if (object.miss == Miss::kNotElf) return NameJit(place);
    if (object.miss != Miss::kNone) return AnswerOf({.miss = object.miss}, object.file->path, "", std::nullopt);
    const FileOffset offset(place.value() - mapping->start.value() + mapping->offset.value());
    const auto elf_address = object.file->elf->ToElfAddress(offset);
    const std::string& build_id = object.file->build_id;
    if (!elf_address) return AnswerOf({.miss = Miss::kNotCovered}, object.file->path, build_id, std::nullopt);
    const CodeNamer::Found found =
        object.symbolizer != nullptr ? object.symbolizer->Find(*elf_address) : Keep(object.table->Lookup(*elf_address));
    return AnswerOf(found, object.file->path, build_id, elf_address->value());
  }

  std::vector<std::string> Notes() const override {
    std::vector<std::string> notes(notes_.begin(), notes_.end());
    if (!kernel_.note().empty()) notes.push_back(kernel_.note());
    if (indexes_ == nullptr) return notes;
    for (std::string& problem : indexes_->status().problems) notes.push_back("no lines of " + std::move(problem));
    return notes;
  }

 private:
  struct Object {
    std::shared_ptr<const ObjectFile> file;
    Miss miss = Miss::kNone;  // if none, one of the two is there
    std::unique_ptr<FileSymbolizer> symbolizer;
    std::unique_ptr<const SymbolTable> table;  // of the vDSO, which has no file
  };

  // Until the next address.
  CodeNamer::Found Keep(Naming naming) {
    kept_ = std::move(naming);
    kept_lines_.clear();
    for (const symbolizer::SourceLine& line : kept_.lines) kept_lines_.push_back(ViewOf(line));
    return {.lines = kept_lines_, .miss = kept_.miss};
  }

  Object& ObjectOf(ObjectId id) {
    const auto [entry, added] = named_.try_emplace(id);
    if (added) entry->second = std::make_unique<Object>(OpenObject(objects_.Share(id)));
    return *entry->second;
  }

  Object OpenObject(std::shared_ptr<const ObjectFile> file) {
    Object object{.file = std::move(file)};
    object.miss = object.file->miss;
    if (!object.file->elf) {
      if (object.miss != Miss::kNotElf) notes_.insert(fmt::format("{}: {}", object.file->path, MissName(object.miss)));
      return object;
    }
    Status status;
    if (const File* opened = object.file->elf->file(); opened == nullptr) {
      auto table = SymbolTable::Read(*object.file->elf);
      status = table.status();
      if (table.ok()) object.table = std::make_unique<const SymbolTable>(*std::move(table));
    } else {
      symbolizer::FileSymbolizerOptions how = how_;
      how.path = object.file->path;
      // The file that is mapped, whatever its path leads to by now.
      auto symbolizer = FileSymbolizer::Open(fmt::format("/proc/self/fd/{}", opened->fd()), how);
      status = symbolizer.status();
      if (symbolizer.ok()) object.symbolizer = *std::move(symbolizer);
    }
    object.miss = symbolizer::MissFromStatus(status);
    if (!status.ok()) notes_.insert(fmt::format("{}: {}", object.file->path, Message(status)));
    if (object.symbolizer != nullptr && !object.symbolizer->note().empty()) {
      notes_.insert(fmt::format("{}: {}", object.file->path, object.symbolizer->note()));
    }
    return object;
  }

  Answer NameJit(ProcessAddress place) {
    if (!jit_files_found_) {
      jit_files_found_ = true;
      FindJitFiles(process_, {process_.pid}, process_.jit_files);
      jit_names_.BeginWindow();
    }
    JitNames::Found found = jit_names_.Find(process_.jit_files, place);
    const std::string& module = *pseudo_modules_.insert(found.path.empty() ? "[jit]" : std::move(found.path)).first;
    return AnswerOf(Keep({.lines = std::move(found.lines), .miss = found.miss}), module, "", std::nullopt);
  }

  Answer NameKernel(ProcessAddress place) {
    if (indexes_ == nullptr) {
      indexes_ = std::make_unique<LineIndexes>(
          LineIndexOptions{.cache_folder = LineCacheFolder(""), .debug_folders = how_.debug_folders, .idle = false});
    }
    const std::string kernel_module = kernel_.ModuleNameOf(place);
    while (kernel_.Ask(kernel_module, *indexes_) == IndexState::kWaiting) {
      indexes_->AwaitChange(std::chrono::milliseconds(100));
    }
    KernelNames::Found found = kernel_.Find(place, indexes_.get());
    const std::string& module = *pseudo_modules_.insert(std::move(found.module)).first;
    const std::string& build_id = *build_ids_.insert(std::move(found.build_id)).first;
    return AnswerOf(Keep({.lines = std::move(found.lines), .miss = found.miss}), module, build_id, std::nullopt);
  }

  Process process_;
  AddressRole role_;
  symbolizer::FileSymbolizerOptions how_;
  ObjectFiles objects_;
  absl::flat_hash_map<ObjectId, std::unique_ptr<Object>> named_;
  bool jit_files_found_ = false;
  JitNames jit_names_;
  KernelNames kernel_;
  std::unique_ptr<LineIndexes> indexes_;  // of the kernel and its modules
  Naming kept_;
  std::vector<symbolizer::LineView> kept_lines_;
  std::set<std::string> pseudo_modules_;  // that answers refer to
  std::set<std::string> build_ids_;       // that answers refer to
  std::set<std::string> notes_;
};

}  // namespace

StatusOr<std::unique_ptr<AddressNamer>> OpenProcessNamer(const SymbolizeOptions& options) {
  KILN_ASSIGN_OR_RETURN(const ProcessFacts facts, ReadProcessFacts(*options.pid));
  KILN_ASSIGN_OR_RETURN(std::vector<Mapping> mappings, ReadMaps(*options.pid));
  return std::make_unique<ProcessNamer>(facts, std::move(mappings), options);
}

}  // namespace kiln::agent
