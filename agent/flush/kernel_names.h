// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/collect/side_band_event.h"
#include "agent/symbols/line_indexes.h"
#include "base/address.h"
#include "symbolizer/code_namer.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

struct KernelNameSources {
  std::string symbols = "/proc/kallsyms";
  std::string notes = "/sys/kernel/notes";
  std::string modules = "/sys/module";
  std::string restrict = "/proc/sys/kernel/kptr_restrict";
  std::string release = "/proc/sys/kernel/osrelease";
};

// The names of kernel code: of the kernel proper, its modules and BPF programs, with the build ids by which others find
// them. Read at the first kernel frame; what is hidden then is looked at again in each window. Inlined functions, files
// and lines come from line indexes, where debug files of what runs are found. Thread-compatible.
class KernelNames {
 public:
  explicit KernelNames(KernelNameSources sources = {}) : sources_(std::move(sources)) {}

  // What came and went during the window. Code that is gone by its end was there for some of its samples.
  void BeginWindow(std::span<const KernelSymbolEvent> events);
  void EndWindow(std::span<const KernelSymbolEvent> events);

  struct Found {
    std::vector<symbolizer::SourceLine> lines;  // innermost first; empty on a miss
    symbolizer::Miss miss = symbolizer::Miss::kNone;
    std::string module;    // "[kernel.kallsyms]", "[<kernel module>]", "[bpf]"
    std::string build_id;  // "" if not known
    // Of the module's code in memory, as far as known and if the address is in it; else 0. For the kernel proper it
    // begins at _text, so that the offset in it is the same wherever the kernel was loaded (KASLR).
    uint64_t start = 0;
    uint64_t limit = 0;
  };
  // Lines come from what is there of `indexes`, from the next window on after it is asked for; nullptr = names alone.
  Found Find(ProcessAddress address, LineIndexes* indexes = nullptr);

  // For who waits for lines. What has the code: a module, "" = the kernel proper or nobody knows.
  std::string ModuleNameOf(ProcessAddress address);
  // Asks for its line index, which Find has once it is ready, from the next window on.
  IndexState Ask(const std::string& module, LineIndexes& indexes);

  // Advice for the user, one line, on why there are no names; "" if there are.
  const std::string& note() const { return note_; }
  size_t memory_bytes() const { return symbols_ ? symbols_->memory_bytes() : 0; }

 private:
  struct Module {
    std::string build_id;
    uint64_t start = 0;
    uint64_t limit = 0;
    bool has_lines_looked_up = false;
    std::shared_ptr<const symbolizer::LineIndex> index;
    std::unique_ptr<symbolizer::CodeNamer> namer;  // by the index
    // Where its code lies now, and in the index.
    struct Stretch {
      uint64_t start;
      uint64_t end;
      ElfAddress address;
    };
    std::vector<Stretch> stretches;
  };

  void Load();
  bool IsStillHidden() const;
  void TakeIn(std::span<const KernelSymbolEvent> events);
  Module& ModuleOf(const std::string& name);
  symbolizer::KernelImage ImageOf(const std::string& name);
  void LookUpLines(const std::string& name, Module& module, LineIndexes& indexes);

  KernelNameSources sources_;
  std::optional<symbolizer::KernelSymbols> symbols_;
  bool loaded_ = false;
  bool hidden_ = false;
  std::span<const KernelSymbolEvent> events_;         // of the window under way
  absl::flat_hash_map<std::string, Module> modules_;  // by name; "" = the kernel proper. Of this window
  std::string note_;
  std::optional<std::string> release_;
};

}  // namespace kiln::agent
