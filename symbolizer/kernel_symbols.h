// SPDX-License-Identifier: Apache-2.0
// The kernel's functions by address: /proc/kallsyms, which has the kernel proper, its modules and the BPF programs at
// the time of reading, kept up to date by PERF_RECORD_KSYMBOL (Add, Remove).
//
// kallsyms tells no sizes. A function reaches to the next symbol of the same module. The last one of the kernel proper
// ends at _etext, the last one of a module after kMaxLastFunctionBytes at most: behind it may lie anything.
//
// Rule for several symbols at one address: global before weak before local, then as in symbol_table.h. Markers such as
// _etext name no function. Names are the kernel's own (".cold", ".isra.0" are kept), so that they agree with
// /proc/kallsyms and with other tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "symbolizer/interval_map.h"
#include "symbolizer/name_pool.h"

namespace kiln::symbolizer {

// A distribution's kernel with all its modules loaded has some 15 MB of text and 250 000 symbols.
inline constexpr size_t kMaxKallsymsBytes = 128 << 20;
inline constexpr size_t kMaxKernelSymbols = 4 << 20;
inline constexpr uint64_t kMaxLastFunctionBytes = 16 * 1024;
// Symbols that were added since Load and not removed, e.g. BPF programs. Beyond, the one at the lowest address is
// forgotten.
inline constexpr size_t kMaxAddedKernelSymbols = 64 * 1024;

// Thread-compatible.
class KernelSymbols {
 public:
  // Fails if the file cannot be read, is too large or has not a single good line. Damaged lines are counted.
  static StatusOr<KernelSymbols> Load(const std::string& path = "/proc/kallsyms");
  static StatusOr<KernelSymbols> Parse(std::string_view kallsyms);

  struct Symbol {
    std::string name;
    std::string module;  // "" = the kernel proper, "bpf" = a BPF program, else the module's name
    uint64_t start;
    friend bool operator==(const Symbol&, const Symbol&) = default;
  };
  // nullopt if the address is in no function, or all addresses are hidden.
  std::optional<Symbol> Lookup(ProcessAddress address) const;

  // PERF_RECORD_KSYMBOL: code that came or went after Load. Add replaces added symbols that overlap. Remove takes away
  // the symbol that starts there, wherever it is from; unknown ones are no error.
  void Add(ProcessAddress start, uint64_t size, std::string name, std::string module);
  void Remove(ProcessAddress start);

  // True if the kernel shows all addresses as 0: kernel.kptr_restrict, or a lack of CAP_SYSLOG.
  bool hidden() const { return hidden_; }
  // Bounds of the kernel proper's text, [start, end); 0 if not known.
  uint64_t text_start() const { return text_start_; }
  uint64_t text_end() const { return text_end_; }
  // _text, or _stext if that is not shown: what addresses of the kernel proper are relative to, once it has been moved
  // (KASLR). 0 if not known.
  uint64_t text_base() const { return text_base_; }
  // Whether text_base is _text itself.
  bool base_is_text() const { return base_is_text_; }

  // Functions in kallsyms, aliases counted once; those of Add are not included.
  size_t size() const { return names_.size(); }
  size_t damaged_lines() const { return damaged_lines_; }
  size_t memory_bytes() const;

 private:
  class Parser;
  struct Added {
    uint64_t end;
    std::string name;
    std::string module;
  };

  IntervalMap intervals_;          // address -> index in names_
  std::vector<uint32_t> names_;    // offsets in pool_; 0 = removed
  std::vector<uint16_t> modules_;  // parallel to names_: indices in module_names_
  std::vector<std::string> module_names_;
  NamePool pool_;
  std::map<uint64_t, Added> added_;  // by start; they do not overlap
  bool hidden_ = false;
  uint64_t text_base_ = 0;
  bool base_is_text_ = false;
  uint64_t text_start_ = 0;
  uint64_t text_end_ = 0;
  size_t damaged_lines_ = 0;
};

}  // namespace kiln::symbolizer
