// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/jit_names.h"

#include <algorithm>

namespace kiln::agent {
namespace {

using symbolizer::JitDump;
using symbolizer::Miss;
using symbolizer::Naming;
using symbolizer::PerfMap;

// So many windows a file stays known that nobody asks for.
constexpr uint64_t kKeepWindows = 6;

Miss MissFromUpdate(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return Miss::kNotCovered;
    case absl::StatusCode::kResourceExhausted: return Miss::kJitFileTooLarge;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss: return Miss::kJitFileDamaged;
    default: return Miss::kJitFileUnreadable;
  }
}

}  // namespace

size_t JitNames::Known::memory_bytes() const {
  return sizeof(*this) + std::visit([](const auto& names) { return names.memory_bytes(); }, this->names);
}

const JitNames::Known& JitNames::Update(const JitFile& file) {
  std::unique_ptr<Known>& known = files_[file.file->identity()];
  if (known == nullptr) {
    known = std::make_unique<Known>();
    known->file = file.file;
    if (file.kind == JitFile::Kind::kJitDump) known->names.emplace<JitDump>();
  }
  if (known->used_in == window_) return *known;
  known->used_in = window_;
  const Status status = std::visit([&](auto& names) { return names.Update(*known->file); }, known->names);
  known->miss = MissFromUpdate(status);
  known->usable = true;
  const auto* dump = std::get_if<JitDump>(&known->names);
  if (dump != nullptr && dump->size() > 0 && dump->pid() != file.writer) {
    known->usable = false;
    known->miss = Miss::kJitFileForeign;
  }
  return *known;
}

JitNames::Found JitNames::Find(const JitFiles& files, ProcessAddress address) {
  Found found{.lines = {}, .miss = files.files.empty() ? files.miss : Miss::kNotCovered, .path = ""};
  for (const JitFile& file : files.files) {
    const Known& known = Update(file);
    if (found.path.empty()) found.path = file.path;
    if (known.usable) {
      Naming naming = std::visit([&](const auto& names) { return names.Lookup(address); }, known.names);
      if (!naming.lines.empty()) return {.lines = std::move(naming.lines), .miss = Miss::kNone, .path = file.path};
    }
    // Of several files the first one that can't be used as it should is the reason.
    if (found.miss == Miss::kNotCovered) found.miss = known.miss;
  }
  return found;
}

void JitNames::EndWindow(size_t max_bytes) {
  absl::erase_if(files_, [&](const auto& entry) {
    const Known& known = *entry.second;
    return known.file.use_count() == 1 || window_ - known.used_in > kKeepWindows;
  });
  size_t bytes = memory_bytes();
  while (bytes > max_bytes) {
    // Those that nobody asked for first.
    const auto largest = std::ranges::max_element(
        files_, {}, [](const auto& entry) { return std::pair(~entry.second->used_in, entry.second->memory_bytes()); });
    bytes -= largest->second->memory_bytes();
    files_.erase(largest);
  }
}

size_t JitNames::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [identity, known] : files_) bytes += known->memory_bytes();
  return bytes;
}

}  // namespace kiln::agent
