// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/process_namer.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <set>

#include "agent/doctor/process_facts.h"
#include "agent/flush/jit_names.h"
#include "agent/process/jit_files.h"
#include "agent/process/mapping_table.h"
#include "agent/process/object_files.h"
#include "symbolizer/file_symbolizer.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/scratch_file.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {
namespace {

using symbolizer::CodeNamer;
using symbolizer::FileSymbolizer;
using symbolizer::KernelSymbols;
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

  std::vector<std::string> Notes() const override { return {notes_.begin(), notes_.end()}; }

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
    if (!kernel_read_) LoadKernelSymbols();
    Answer answer{.module = "[kernel.kallsyms]"};
    if (kernel_ == nullptr) {
      answer.reason = MissName(kernel_miss_);
    } else if (auto symbol = kernel_->Lookup(place)) {
      if (!symbol->module.empty()) answer.module = *pseudo_modules_.insert("[" + symbol->module + "]").first;
      answer.lines = Keep({.lines = {{.name = std::move(symbol->name)}}}).lines;
    } else {
      answer.reason = MissName(Miss::kNotCovered);
    }
    return answer;
  }

  void LoadKernelSymbols() {
    kernel_read_ = true;
    auto symbols = KernelSymbols::Load();
    if (!symbols.ok()) {
      kernel_miss_ = symbolizer::MissFromStatus(symbols.status());
      notes_.insert(fmt::format("kernel functions have no names: {}", Message(symbols.status())));
    } else if (symbols->hidden()) {
      kernel_miss_ = Miss::kKernelSymbolsHidden;
      notes_.insert("the kernel hides its addresses: run kiln as root, or show them by sysctl kernel.kptr_restrict=0");
    } else {
      kernel_ = std::make_unique<const KernelSymbols>(*std::move(symbols));
    }
  }

  Process process_;
  AddressRole role_;
  symbolizer::FileSymbolizerOptions how_;
  ObjectFiles objects_;
  absl::flat_hash_map<ObjectId, std::unique_ptr<Object>> named_;
  bool jit_files_found_ = false;
  JitNames jit_names_;
  bool kernel_read_ = false;
  Miss kernel_miss_ = Miss::kNone;
  std::unique_ptr<const KernelSymbols> kernel_;
  Naming kept_;
  std::vector<symbolizer::LineView> kept_lines_;
  std::set<std::string> pseudo_modules_;  // that answers refer to
  std::set<std::string> notes_;
};

}  // namespace

StatusOr<std::unique_ptr<AddressNamer>> OpenProcessNamer(const SymbolizeOptions& options) {
  KILN_ASSIGN_OR_RETURN(const ProcessFacts facts, ReadProcessFacts(*options.pid));
  KILN_ASSIGN_OR_RETURN(std::vector<Mapping> mappings, ReadMaps(*options.pid));
  return std::make_unique<ProcessNamer>(facts, std::move(mappings), options);
}

}  // namespace kiln::agent
