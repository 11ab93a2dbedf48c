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

const KernelNames::Module& KernelNames::ModuleOf(const std::string& name) {
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

KernelNames::Found KernelNames::Find(ProcessAddress address) {
  if (!loaded_) Load();
  Found found;
  std::string module_name;
  if (!symbols_) {
    found.miss = Miss::kKernelSymbolsHidden;
  } else if (auto symbol = symbols_->Lookup(address)) {
    found.name = std::move(symbol->name);
    module_name = std::move(symbol->module);
  } else {
    found.miss = Miss::kNotCovered;
  }
  found.module = module_name.empty() ? kKernelModule : fmt::format("[{}]", module_name);
  const Module& module = ModuleOf(module_name);
  found.build_id = module.build_id;
  if (address.value() >= module.start && address.value() < module.limit) {
    found.start = module.start;
    found.limit = module.limit;
  }
  return found;
}

}  // namespace kiln::agent
