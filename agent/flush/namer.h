// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collect/side_band_event.h"
#include "agent/process/locator.h"
#include "agent/process/process_table.h"
#include "profile/frame_type.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/perf_map.h"
#include "symbolizer/symbol_table.h"

namespace kiln::agent {

// A frame with its names.
struct NamedFrame {
  profile::FrameType type;
  std::string
      module;  // file path, "[kernel.kallsyms]", "[<kernel module>]", "[bpf]", "[vdso]", the perf map; "" = none
  std::string build_id;                                            // "" if not known
  uint64_t module_start = 0, module_limit = 0, module_offset = 0;  // as in profile::Mapping
  uint64_t address = 0;                                            // as in profile::Location
  std::vector<symbolizer::SourceLine> lines;  // innermost first; never empty: "[module+0xaddress]" stands for a miss
  symbolizer::Miss miss = symbolizer::Miss::kNone;
};

// Stage 5: names frames, each distinct one once, after the recording. Symbol tables are read when the first frame of
// their file comes. Thread-compatible.
class Namer {
 public:
  Namer(const Locator& locator, ProcessTable& processes, const std::vector<KernelSymbolEvent>& kernel_symbols);

  NamedFrame Name(const Frame& frame);

  // Advice for the user, one line each, on what kept names away (kptr_restrict …).
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct ObjectSymbols {
    std::optional<symbolizer::SymbolTable> table;
    symbolizer::Miss miss = symbolizer::Miss::kNone;
    // By the name in `table`: most functions have several frames, and demangling is what naming costs.
    absl::flat_hash_map<std::string_view, symbolizer::SourceLine> lines;
  };
  struct PerfMapFile {
    std::shared_ptr<const File> file;                // open, so that its identity stays its own
    std::unique_ptr<const symbolizer::PerfMap> map;  // nullptr if it can't be read
  };

  NamedFrame NameObject(const Frame& frame);
  NamedFrame NameKernel(const Frame& frame);
  NamedFrame NameJit(const Frame& frame);
  ObjectSymbols& SymbolsOf(ObjectId id);
  const symbolizer::PerfMap* PerfMapOf(const Process& process);
  void LoadKernelSymbols();

  const Locator& locator_;
  ProcessTable& processes_;
  const std::vector<KernelSymbolEvent>& kernel_symbol_events_;
  absl::node_hash_map<uint32_t, ObjectSymbols> objects_;  // by ObjectId; they stay where they are
  // A process and the children that it forked have one perf map between them.
  absl::flat_hash_map<ImageId, const symbolizer::PerfMap*> perf_map_of_image_;
  absl::flat_hash_map<FileIdentity, PerfMapFile> perf_maps_;
  std::optional<symbolizer::KernelSymbols> kernel_;
  bool kernel_loaded_ = false;
  std::vector<std::string> notes_;
};

}  // namespace kiln::agent
