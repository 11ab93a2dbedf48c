// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/namer.h"

#include "agent/aggregate/aggregator.h"
#include "agent/process/perf_map_file.h"

namespace kiln::agent {
namespace {

using profile::FrameType;
using symbolizer::Miss;
using symbolizer::SourceLine;

constexpr const char* kKernelModule = "[kernel.kallsyms]";

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The stand-in for a name: "[libz.so.1+0x1234]". Names of pseudo modules lose their own brackets.
SourceLine Placeholder(std::string_view module, uint64_t address) {
  std::string_view base = BaseName(module);
  if (base.starts_with('[') && base.ends_with(']')) base = base.substr(1, base.size() - 2);
  SourceLine line;
  line.name = fmt::format("[{}+{:#x}]", base.empty() ? "unknown" : base, address);
  return line;
}

}  // namespace

Namer::Namer(const Locator& locator, ProcessTable& processes, const std::vector<KernelSymbolEvent>& kernel_symbols)
    : locator_(locator), processes_(processes), kernel_symbol_events_(kernel_symbols) {}

NamedFrame Namer::Name(const Frame& frame) {
  NamedFrame named;
  switch (frame.space) {
    case FrameSpace::kObject: named = NameObject(frame); break;
    case FrameSpace::kKernel: named = NameKernel(frame); break;
    case FrameSpace::kJit: named = NameJit(frame); break;
    case FrameSpace::kUnmapped:
      named = {.type = FrameType::kUnknown, .module = "", .build_id = "", .address = frame.address, .lines = {}};
      named.miss = Miss::kNoFile;
      break;
    case FrameSpace::kTruncated:
      named = {.type = FrameType::kTruncated, .module = "", .build_id = "", .lines = {}};
      named.lines.emplace_back().name = fmt::format("[truncated: {}]", StopText(static_cast<kiln_stop>(frame.address)));
      break;
  }
  if (named.lines.empty()) named.lines.push_back(Placeholder(named.module, frame.address));
  return named;
}

Namer::ObjectSymbols& Namer::SymbolsOf(ObjectId id) {
  const auto [entry, added] = objects_.try_emplace(id.value);
  ObjectSymbols& symbols = entry->second;
  if (!added) return symbols;
  const ObjectFile& object = locator_.objects().object(id);
  if (!object.elf) {
    symbols.miss = object.miss;
  } else if (auto table = symbolizer::SymbolTable::Read(*object.elf); table.ok()) {
    symbols.table.emplace(*std::move(table));
  } else {
    symbols.miss = symbolizer::MissFromStatus(table.status());
  }
  return symbols;
}

NamedFrame Namer::NameObject(const Frame& frame) {
  const ObjectId id{frame.owner};
  const ObjectFile& object = locator_.objects().object(id);
  NamedFrame named{.type = FrameType::kNative,
                   .module = object.path,
                   .build_id = object.build_id,
                   .address = frame.address,
                   .lines = {}};
  if (object.elf) {
    if (const auto* segment = object.elf->ExecutableSegmentContaining(ElfAddress(frame.address))) {
      named.module_start = segment->address.value();
      named.module_limit = segment->address.value() + segment->memory_size;
      named.module_offset = segment->offset.value();
    }
  }
  ObjectSymbols& symbols = SymbolsOf(id);
  if (!symbols.table) {
    named.miss = symbols.miss;
    return named;
  }
  const ElfAddress address(frame.address);
  const std::string_view name = symbols.table->LookupRaw(address);
  if (name.empty()) {
    named.miss = symbols.table->Lookup(address).miss;
    return named;
  }
  const auto [line, added] = symbols.lines.try_emplace(name);
  if (added) line->second = symbolizer::NamingOf(name).lines.front();
  named.lines.push_back(line->second);
  return named;
}

void Namer::LoadKernelSymbols() {
  kernel_loaded_ = true;
  auto symbols = symbolizer::KernelSymbols::Load();
  if (!symbols.ok()) {
    notes_.push_back(fmt::format("kernel functions have no names: {}", Message(symbols.status())));
    return;
  }
  if (symbols->hidden()) {
    notes_.push_back(
        "kernel functions have no names: the kernel hides its addresses; show them by: sysctl kernel.kptr_restrict=0");
    return;
  }
  kernel_.emplace(*std::move(symbols));
  // Code that is gone by now is in no list any more, but these events told its place.
  for (const KernelSymbolEvent& event : kernel_symbol_events_) {
    if (event.removed) kernel_->Add(event.start, event.length, event.name, event.is_bpf ? "bpf" : "");
  }
}

NamedFrame Namer::NameKernel(const Frame& frame) {
  if (!kernel_loaded_) LoadKernelSymbols();
  NamedFrame named{
      .type = FrameType::kKernel, .module = kKernelModule, .build_id = "", .address = frame.address, .lines = {}};
  if (!kernel_) {
    named.miss = Miss::kKernelSymbolsHidden;
    return named;
  }
  if (const auto symbol = kernel_->Lookup(ProcessAddress(frame.address))) {
    if (!symbol->module.empty()) named.module = "[" + symbol->module + "]";
    named.lines.emplace_back().name = symbol->name;
  } else {
    named.miss = Miss::kNotCovered;
  }
  return named;
}

const symbolizer::PerfMap* Namer::PerfMapOf(const Process& process) {
  const auto [entry, added] = perf_map_of_image_.try_emplace(process.id, nullptr);
  if (!added) return entry->second;
  std::shared_ptr<const File> file = process.perf_map;
  if (file == nullptr) file = FindPerfMap(process, processes_.NamespaceViews(process));
  if (file == nullptr) return nullptr;
  const auto [known, is_new] = perf_maps_.try_emplace(file->identity());
  if (is_new) {
    known->second.file = file;
    if (auto map = symbolizer::PerfMap::Read(*file); map.ok()) {
      known->second.map = std::make_unique<const symbolizer::PerfMap>(*std::move(map));
    }
  }
  entry->second = known->second.map.get();
  return entry->second;
}

NamedFrame Namer::NameJit(const Frame& frame) {
  const Process& process = processes_.image(ImageId{frame.owner});
  NamedFrame named{.type = FrameType::kJit, .module = "[jit]", .build_id = "", .address = frame.address, .lines = {}};
  if (const symbolizer::PerfMap* map = PerfMapOf(process); map != nullptr) {
    const Pid name = process.namespaced_pid.value != 0 ? process.namespaced_pid : process.pid;
    named.module = fmt::format("/tmp/perf-{}.map", name.value);
    symbolizer::Naming naming = map->Lookup(ProcessAddress(frame.address));
    named.lines = std::move(naming.lines);
    named.miss = naming.miss;
  } else {
    named.miss = Miss::kNoPerfMap;
  }
  return named;
}

}  // namespace kiln::agent
