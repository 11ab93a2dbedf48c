// SPDX-License-Identifier: Apache-2.0
#include "agent/process/locator.h"

#include <algorithm>

#include "agent/collect/frame_words.h"
#include "agent/process/jit_files.h"

namespace kiln::agent {
namespace {

// Most processes with code of their own making write no perf map: looking for one costs some twenty calls.
constexpr uint64_t kJitFilesRetryNs = 1'000'000'000;

bool IsComplete(kiln_stop stop) {
  return stop == KILN_STOP_NONE || stop == KILN_STOP_ROOT || stop == KILN_STOP_MEMORY_GONE;
}

Frame TruncatedMark(kiln_stop stop) { return {FrameSpace::kTruncated, 0, static_cast<uint64_t>(stop)}; }

}  // namespace

FrameIndex Locator::Intern(const Frame& frame) {
  if (const auto found = index_.find(frame); found != index_.end()) return found->second;
  const FrameIndex index = frames_.Add(frame);
  index_.emplace(frame, index);
  return index;
}

profile::Table<FrameIndex, Frame> Locator::TakeFrames() {
  index_.clear();
  cache_ = FrameCache();
  return std::exchange(frames_, {});
}

void Locator::Push(const Frame& frame, std::optional<FrameCache::Key> remember_by) {
  index_.prefetch(frame);
  found_.push_back({.frame = frame, .index = std::nullopt, .remember_by = remember_by});
}

void Locator::InternFound(std::vector<FrameIndex>& frames) {
  for (const Found& found : found_) {
    const FrameIndex index = found.index ? *found.index : Intern(found.frame);
    if (found.remember_by) cache_.Remember(*found.remember_by, index);
    frames.push_back(index);
  }
  found_.clear();
}

ObjectId Locator::FindObject(const Process& process, const Mapping& mapping) {
  return objects_.Find(process, mapping, [&] { return processes_.FileViews(process); });
}

LocatedStack Locator::Locate(const RawSample& sample, const ProcessMoment& moment) {
  const Process& process = moment.process;
  LocatedStack stack{.frames = {}, .stop = sample.kernel_stop};
  stack.frames.reserve(sample.kernel.size() + sample.user.size());
  for (size_t i = 0; i < sample.kernel.size(); ++i) {
    // The innermost address is the interrupted instruction, the others are return addresses.
    const CodeAddress<ProcessAddress> address{ProcessAddress(sample.kernel[i]),
                                              i == 0 ? AddressRole::kInstruction : AddressRole::kReturnAddress};
    Push({FrameSpace::kKernel, 0, address.ForLookup().value()});
  }
  if (!IsComplete(sample.kernel_stop)) Push(TruncatedMark(sample.kernel_stop));
  if (sample.user.empty() && sample.user_stop == KILN_STOP_NONE) {
    InternFound(stack.frames);
    return stack;
  }

  stack.stop = sample.user_stop;
  FrameReader reader(sample.user);
  std::optional<Place> last;
  // Looking for a frame may have the maps read anew: what was located by the old ones does not count then.
  const auto is_current = [&] { return moment.mappings != nullptr || process.generation == moment.generation; };
  while (const auto address = reader.Next()) {
    const FrameCache::Key key{address->ForLookup(), process.id, moment.generation};
    if (const auto known = cache_.Find(key); known && is_current()) {
      found_.push_back({.frame = {}, .index = known, .remember_by = std::nullopt});
      continue;
    }
    const auto frame = LocateUser(*address, moment, sample.time_ns, last);
    if (!frame) {
      const MappingTable* mappings = moment.mappings != nullptr ? moment.mappings.get() : process.mappings.get();
      const bool maps_known = mappings != nullptr && mappings->size() > 0;
      stack.stop = maps_known ? KILN_STOP_NOT_CODE : KILN_STOP_NO_MAPPING;
      // The leaf itself was executed wherever it is; a return address that is no code was none.
      if (address->role == AddressRole::kInstruction) {
        Push({FrameSpace::kUnmapped, process.id.value, address->address.value()});
      }
      break;
    }
    const bool stays = frame->space == FrameSpace::kObject && is_current();
    Push(*frame, stays ? std::optional(key) : std::nullopt);
  }
  if (!IsComplete(stack.stop)) {
    Push(TruncatedMark(stack.stop));
  } else if (!IsComplete(sample.kernel_stop)) {
    stack.stop = sample.kernel_stop;
  }
  InternFound(stack.frames);
  return stack;
}

std::optional<Frame> Locator::LocateUser(CodeAddress<ProcessAddress> address, const ProcessMoment& moment,
                                         uint64_t time_ns, std::optional<Place>& last) {
  Process& process = moment.process;
  const ProcessAddress lookup = address.ForLookup();
  if (!last || lookup < last->start || lookup >= last->end) {
    last.reset();
    const Mapping* mapping =
        moment.mappings != nullptr ? moment.mappings->Find(lookup) : processes_.FindMapping(process, lookup, time_ns);
    if (mapping == nullptr) return std::nullopt;
    if (!mapping->is_file() && mapping->path != "[vdso]") {
      OpenJitFiles(process, time_ns);
      return Frame{FrameSpace::kJit, process.id.value, lookup.value()};
    }
    last = {.start = mapping->start,
            .end = mapping->end,
            .offset = mapping->offset,
            .object = FindObject(process, *mapping)};
  }
  const ObjectFile& object = objects_.object(last->object);
  const FileOffset offset(lookup.value() - last->start.value() + last->offset.value());
  if (object.miss == symbolizer::Miss::kNotElf) {  // code in a file that is no program: some JITs map their cache so
    OpenJitFiles(process, time_ns);
    return Frame{FrameSpace::kJit, process.id.value, lookup.value()};
  }
  const auto elf_address = object.elf ? object.elf->ToElfAddress(offset) : std::nullopt;
  return Frame{FrameSpace::kObject, last->object.value, elf_address ? elf_address->value() : offset.value()};
}

void Locator::OpenJitFiles(Process& process, uint64_t time_ns) {
  if (time_ns < process.next_jit_files_ns) return;
  process.next_jit_files_ns = time_ns + kJitFilesRetryNs;
  FindJitFiles(process, processes_.NamespaceViews(process), process.jit_files);
}

}  // namespace kiln::agent
