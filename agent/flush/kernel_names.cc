// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/kernel_names.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/fd.h"
#include "base/file.h"
#include "symbolizer/build_id.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;

constexpr const char* kKernelModule = "[kernel.kallsyms]";
constexpr size_t kMaxNumberFileBytes = 4096;

// The number in a small file; 0 if there is none.
uint64_t NumberIn(const std::string& path, int base) {
  const auto text = ReadFile(path, kMaxNumberFileBytes);
  if (!text.ok()) return 0;
  std::string_view digits = *text;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  return error == std::errc() ? number : 0;
}

}  // namespace

void KernelNames::BeginWindow(std::span<const KernelSymbolEvent> events) {
  events_ = events;
  modules_.clear();  // may have been unloaded, and others loaded
  if (hidden_ && !IsStillHidden()) loaded_ = false;
  if (symbols_) TakeIn(events);
}

void KernelNames::TakeIn(std::span<const KernelSymbolEvent> events) {
  for (const KernelSymbolEvent& event : events) {
    symbols_->Add(event.start, event.length, event.name, event.is_bpf ? "bpf" : "");
  }
}

void KernelNames::EndWindow(std::span<const KernelSymbolEvent> events) {
  events_ = {};
  if (!symbols_) return;
  for (const KernelSymbolEvent& event : events) {
    if (event.removed) symbols_->Remove(event.start);
  }
}

// All addresses are shown as 0, or none is.
bool KernelNames::IsStillHidden() const {
  const UniqueFd fd(::open(sources_.symbols.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 8> digits{};
  if (!fd.valid() || ::read(fd.get(), digits.data(), digits.size()) != static_cast<ssize_t>(digits.size())) return true;
  return std::ranges::all_of(digits, [](char digit) { return digit == '0'; });
}

void KernelNames::Load() {
  loaded_ = true;
  hidden_ = false;
  note_.clear();
  auto symbols = symbolizer::KernelSymbols::Load(sources_.symbols);
  if (!symbols.ok()) {
    note_ = fmt::format("kernel functions have no names: {}", Message(symbols.status()));
    return;
  }
  if (symbols->hidden()) {
    hidden_ = true;
    // 2 hides them from everybody; 1, or 0 with perf_event_paranoid above 1, from who lacks cap_syslog.
    note_ = fmt::format("kernel functions have no names: the kernel hides its addresses; show them {}",
                        NumberIn(sources_.restrict, 10) >= 2 ? "by: sysctl kernel.kptr_restrict=1"
                                                             : "to kiln by the capability cap_syslog");
    return;
  }
  symbols_.emplace(*std::move(symbols));
  TakeIn(events_);
}

KernelNames::Module& KernelNames::ModuleOf(const std::string& name) {
  const auto [entry, added] = modules_.try_emplace(name);
  Module& module = entry->second;
  if (!added) return module;
  if (name.empty()) {
    module.build_id = symbolizer::BuildIdOfNotesFile(sources_.notes);
    if (symbols_ && symbols_->text_base() != 0 && symbols_->text_end() > symbols_->text_base()) {
      module.start = symbols_->text_base();
      module.limit = symbols_->text_end();
    }
  } else if (name != "bpf" && name.find('/') == std::string::npos) {
    const std::string folder = fmt::format("{}/{}", sources_.modules, name);
    module.build_id = symbolizer::BuildIdOfNotesFile(folder + "/notes/.note.gnu.build-id");
    const uint64_t text = NumberIn(folder + "/sections/.text", 16);
    const uint64_t size = NumberIn(folder + "/coresize", 10);  // with its data, which lies behind
    if (text != 0 && size != 0 && size <= UINT64_MAX - text) {
      module.start = text;
      module.limit = text + size;
    }
  }
  return module;
}

symbolizer::KernelImage KernelNames::ImageOf(const std::string& name) {
  if (!release_) {
    auto text = ReadFile(sources_.release, kMaxNumberFileBytes);
    release_ = text.ok() ? text->substr(0, text->find('\n')) : "";
  }
  return {.module = name, .build_id = ModuleOf(name).build_id, .release = *release_};
}

// What has come since the window began is for the next one: a window's frames are named alike.
void KernelNames::LookUpLines(const std::string& name, Module& module, LineIndexes& indexes) {
  module.has_lines_looked_up = true;
  LineIndexes::Answer answer = indexes.Get(ImageOf(name));
  if (answer.index == nullptr || answer.layout == nullptr) return;
  if (name.empty()) {
    const auto& base = symbols_->base_is_text() ? answer.layout->text : answer.layout->stext;
    if (!base || module.start == 0) return;
    module.stretches.push_back({.start = module.start, .end = module.limit, .address = *base});
  } else {
    for (const symbolizer::KernelLayout::Section& section : answer.layout->sections) {
      // Once the module has begun to run, others may lie where its .init sections were.
      if (section.name.find('/') != std::string::npos || section.name.starts_with(".init")) continue;
      const std::string path = fmt::format("{}/{}/sections/{}", sources_.modules, name, section.name);
      const uint64_t start = NumberIn(path, 16);  // none: it is hidden
      if (start == 0 || section.size > UINT64_MAX - start) continue;
      module.stretches.push_back({.start = start, .end = start + section.size, .address = section.start});
    }
  }
  module.index = std::move(answer.index);
  module.namer = std::make_unique<symbolizer::CodeNamer>(symbolizer::NameSources{.lines = module.index.get()});
}

std::string KernelNames::ModuleNameOf(ProcessAddress address) {
  if (!loaded_) Load();
  if (!symbols_) return "";
  auto symbol = symbols_->Lookup(address);
  return symbol ? std::move(symbol->module) : "";
}

IndexState KernelNames::Ask(const std::string& module, LineIndexes& indexes) {
  if (!loaded_) Load();
  if (!symbols_) return IndexState::kNoDebugInfo;  // and nothing that its addresses could count from
  return indexes.Get(ImageOf(module)).state;
}

KernelNames::Found KernelNames::Find(ProcessAddress address, LineIndexes* indexes) {
  if (!loaded_) Load();
  Found found;
  std::string name;
  std::string module_name;
  if (!symbols_) {
    found.miss = Miss::kKernelSymbolsHidden;
  } else if (auto symbol = symbols_->Lookup(address)) {
    name = std::move(symbol->name);
    module_name = std::move(symbol->module);
  } else {
    found.miss = Miss::kNotCovered;
  }
  found.module = module_name.empty() ? kKernelModule : fmt::format("[{}]", module_name);
  Module& module = ModuleOf(module_name);
  found.build_id = module.build_id;
  if (address.value() >= module.start && address.value() < module.limit) {
    found.start = module.start;
    found.limit = module.limit;
  }
  if (symbols_ && indexes != nullptr && !module.has_lines_looked_up) LookUpLines(module_name, module, *indexes);
  const auto stretch = std::ranges::find_if(module.stretches, [&](const Module::Stretch& one) {
    return one.start <= address.value() && address.value() < one.end;
  });
  if (stretch != module.stretches.end()) {
    const ElfAddress place(stretch->address.value() + (address.value() - stretch->start));
    found.lines = module.namer->Copy(place, name).lines;
  } else if (!name.empty()) {
    found.lines.emplace_back().name = std::move(name);
  }
  if (!found.lines.empty()) found.miss = Miss::kNone;
  return found;
}

}  // namespace kiln::agent
