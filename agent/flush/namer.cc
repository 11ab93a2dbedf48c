// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/namer.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/aggregate/aggregator.h"

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

void Namer::BeginWindow(const Window& window) {
  ++window_;
  if (kernel_) TakeInKernelSymbols(window);
  // A symbol table is read once for all of a window's new addresses.
  absl::flat_hash_map<ObjectId, std::vector<uint64_t>> addresses;
  for (const Frame& frame : window.frames) {
    if (frame.space == FrameSpace::kObject) addresses[ObjectId{frame.owner}].push_back(frame.address);
  }
  for (auto& [id, of_object] : addresses) {
    Object& object = objects_[id];
    object.used_in = window_;
    const std::shared_ptr<const ObjectFile>& file = window.objects.at(id);
    auto index = indexes_ == nullptr ? nullptr : indexes_->Get(id, file).index;
    object.names.Prepare(*file, std::move(of_object), std::move(index));
  }
}

// Code that is gone by the window's end was there for some of its samples.
void Namer::TakeInKernelSymbols(const Window& window) {
  for (const KernelSymbolEvent& event : window.aggregate.kernel_symbols) {
    kernel_->Add(event.start, event.length, event.name, event.is_bpf ? "bpf" : "");
  }
}

size_t Namer::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [id, object] : objects_) bytes += sizeof(Object) + object.names.memory_bytes();
  for (const auto& [identity, map] : perf_maps_) bytes += map.map == nullptr ? 0 : map.map->memory_bytes();
  return bytes;
}

void Namer::EndWindow(const Window& window) {
  if (kernel_) {
    for (const KernelSymbolEvent& event : window.aggregate.kernel_symbols) {
      if (event.removed) kernel_->Remove(event.start);
    }
  }
  // Longest unused first; perf maps, which can be read again, before names.
  size_t bytes = memory_bytes();
  std::vector<std::pair<uint64_t, ObjectId>> order;
  for (const auto& [id, object] : objects_) order.emplace_back(object.used_in, id);
  std::ranges::sort(order);
  absl::erase_if(perf_maps_, [&](const auto& entry) {
    const PerfMapFile& map = entry.second;
    const size_t size = map.map == nullptr ? 0 : map.map->memory_bytes();
    if (map.used_in == window_ && bytes <= cache_bytes_) return false;
    bytes -= size;
    return true;
  });
  for (const auto& [used_in, id] : order) {
    if (bytes <= cache_bytes_) break;
    const auto object = objects_.find(id);
    bytes -= sizeof(Object) + object->second.names.memory_bytes();
    objects_.erase(object);
  }
}

NamedFrame Namer::Name(const Window& window, const Frame& frame) {
  NamedFrame named;
  switch (frame.space) {
    case FrameSpace::kObject: named = NameObject(window, frame); break;
    case FrameSpace::kKernel:
      if (!kernel_loaded_) LoadKernelSymbols(window);
      named = NameKernel(frame);
      break;
    case FrameSpace::kJit: named = NameJit(window, frame); break;
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

NamedFrame Namer::NameObject(const Window& window, const Frame& frame) {
  const ObjectId id{frame.owner};
  const ObjectFile& file = *window.objects.at(id);
  NamedFrame named{.type = FrameType::kNative,
                   .module = file.path,
                   .build_id = file.build_id,
                   .address = frame.address,
                   .lines = {}};
  const ElfAddress address(frame.address);
  if (file.elf) {
    if (const auto* segment = file.elf->ExecutableSegmentContaining(address)) {
      named.module_start = segment->address.value();
      named.module_limit = segment->address.value() + segment->memory_size;
      named.module_offset = segment->offset.value();
    }
  }
  Object& object = objects_[id];
  object.used_in = window_;
  const ObjectNames::Found found = object.names.Find(file, address);
  named.miss = found.miss;
  for (const symbolizer::SourceLine* line : found.lines) named.lines.push_back(*line);
  return named;
}

void Namer::LoadKernelSymbols(const Window& window) {
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
  TakeInKernelSymbols(window);
}

NamedFrame Namer::NameKernel(const Frame& frame) {
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

const symbolizer::PerfMap* Namer::PerfMapOf(const WindowImage& image) {
  if (image.perf_map == nullptr) return nullptr;
  const auto [entry, added] = perf_maps_.try_emplace(image.perf_map->identity());
  PerfMapFile& known = entry->second;
  if (!added && known.used_in == window_) return known.map.get();
  known.used_in = window_;
  struct stat now {};
  if (::fstat(image.perf_map->fd(), &now) != 0) return known.map.get();
  const auto size = static_cast<uint64_t>(now.st_size);
  if (!added && known.size == size) return known.map.get();
  known.size = size;
  known.file = image.perf_map;
  auto map = symbolizer::PerfMap::Read(*known.file);
  known.map = map.ok() ? std::make_unique<const symbolizer::PerfMap>(*std::move(map)) : nullptr;
  return known.map.get();
}

NamedFrame Namer::NameJit(const Window& window, const Frame& frame) {
  const WindowImage& image = window.images.at(ImageId{frame.owner});
  NamedFrame named{.type = FrameType::kJit, .module = "[jit]", .build_id = "", .address = frame.address, .lines = {}};
  if (const symbolizer::PerfMap* map = PerfMapOf(image); map != nullptr) {
    const Pid name = image.namespaced_pid.value != 0 ? image.namespaced_pid : image.pid;
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
