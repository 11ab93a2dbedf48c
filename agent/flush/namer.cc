// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/namer.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <map>
#include <variant>

#include "agent/aggregate/aggregator.h"

namespace kiln::agent {
namespace {

using profile::FrameType;
using symbolizer::Miss;
using symbolizer::SourceLine;

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// What may have a line index: an object file, or a kernel module ("" = the kernel proper).
using Wanted = std::variant<ObjectId, std::string>;

// The stand-in for a name: "[libz.so.1+0x1234]". Names of pseudo modules lose their own brackets.
SourceLine Placeholder(std::string_view module, uint64_t address) {
  std::string_view base = BaseName(module);
  if (base.starts_with('[') && base.ends_with(']')) base = base.substr(1, base.size() - 2);
  SourceLine line;
  line.name = fmt::format("[{}+{:#x}]", base.empty() ? "unknown" : base, address);
  return line;
}

}  // namespace

bool Namer::AwaitIndexes(const Window& window, absl::Duration timeout, const std::function<bool()>& stop) {
  if (indexes_ == nullptr) return true;
  // By frame first: there are far fewer of them than stacks have.
  std::vector<int64_t> of_frames(window.frames.size());
  for (const Aggregate::Count& count : window.aggregate.counts) {
    for (const FrameIndex index : window.aggregate.stacks[count.stack].frames) {
      of_frames[index.value()] += count.samples;
    }
  }
  std::map<Wanted, int64_t> samples;
  for (size_t i = 0; i < of_frames.size(); ++i) {
    const Frame& frame = window.frames[FrameIndex(static_cast<uint32_t>(i))];
    if (frame.space == FrameSpace::kObject) {
      samples[ObjectId{frame.owner}] += of_frames[i];
    } else if (frame.space == FrameSpace::kKernel) {
      samples[kernel_.ModuleNameOf(ProcessAddress(frame.address))] += of_frames[i];
    }
  }
  std::vector<std::pair<int64_t, Wanted>> order;
  for (const auto& [wanted, count] : samples) order.emplace_back(-count, wanted);
  std::ranges::sort(order);
  const auto deadline = absl::Now() + timeout;
  for (;;) {
    bool decided = true;
    for (const auto& [count, wanted] : order) {
      const auto* const id = std::get_if<ObjectId>(&wanted);
      const IndexState state = id != nullptr ? indexes_->Get(*id, window.objects.at(*id)).state
                                             : kernel_.Ask(std::get<std::string>(wanted), *indexes_);
      decided = decided && state != IndexState::kWaiting && state != IndexState::kDownloading;
    }
    if (decided) return true;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() || (stop && stop())) return false;
    indexes_->AwaitChange(absl::ToChronoNanoseconds(std::min(left, absl::Milliseconds(100))));
  }
}

void Namer::BeginWindow(const Window& window) {
  ++window_;
  kernel_.BeginWindow(window.aggregate.kernel_symbols);
  jit_.BeginWindow();
  // A symbol table is read once for all of a window's new addresses.
  absl::flat_hash_map<ObjectId, std::vector<uint64_t>> addresses;
  for (const Frame& frame : window.frames) {
    if (frame.space == FrameSpace::kObject) addresses[ObjectId{frame.owner}].push_back(frame.address);
  }
  const std::vector<std::string> debug_folders =
      indexes_ == nullptr ? std::vector<std::string>() : indexes_->debug_folders();
  for (auto& [id, of_object] : addresses) {
    Object& object = objects_[id];
    object.used_in = window_;
    const std::shared_ptr<const ObjectFile>& file = window.objects.at(id);
    LineIndexes::Answer lines{.index = nullptr, .state = IndexState::kOff};
    if (indexes_ != nullptr) lines = indexes_->Get(id, file);
    object.lines_state = lines.state;
    object.names.Prepare(*file, std::move(of_object), std::move(lines.index), debug_folders);
  }
}

size_t Namer::memory_bytes() const {
  size_t bytes = jit_.memory_bytes();
  for (const auto& [id, object] : objects_) bytes += sizeof(Object) + object.names.memory_bytes();
  return bytes;
}

void Namer::EndWindow(const Window& window) {
  kernel_.EndWindow(window.aggregate.kernel_symbols);
  jit_.EndWindow(kJitCacheFactor * cache_bytes_);
  // Longest unused first.
  size_t bytes = memory_bytes() - jit_.memory_bytes();
  std::vector<std::pair<uint64_t, ObjectId>> order;
  for (const auto& [id, object] : objects_) order.emplace_back(object.used_in, id);
  std::ranges::sort(order);
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
    case FrameSpace::kKernel: named = NameKernel(frame); break;
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
  named.lines_state = object.lines_state;
  for (const symbolizer::SourceLine* line : found.lines) named.lines.push_back(*line);
  return named;
}

NamedFrame Namer::NameKernel(const Frame& frame) {
  KernelNames::Found found = kernel_.Find(ProcessAddress(frame.address), indexes_);
  NamedFrame named{.type = FrameType::kKernel,
                   .module = std::move(found.module),
                   .build_id = std::move(found.build_id),
                   .module_start = found.start,
                   .module_limit = found.limit,
                   .address = frame.address,
                   .lines = std::move(found.lines),
                   .miss = found.miss};
  return named;
}

NamedFrame Namer::NameJit(const Window& window, const Frame& frame) {
  const WindowImage& image = window.images.at(ImageId{frame.owner});
  JitNames::Found found = jit_.Find(image.jit_files, ProcessAddress(frame.address));
  return {.type = FrameType::kJit,
          .module = found.path.empty() ? "[jit]" : std::move(found.path),
          .build_id = "",
          .address = frame.address,
          .lines = std::move(found.lines),
          .miss = found.miss};
}

std::vector<std::string> Namer::notes() const {
  return kernel_.note().empty() ? std::vector<std::string>() : std::vector{kernel_.note()};
}

}  // namespace kiln::agent
