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

#include "agent/flush/object_names.h"
#include "agent/session/window.h"
#include "agent/symbols/line_indexes.h"
#include "profile/frame_type.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/perf_map.h"

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

// Stage 5: names frames. What was named stays known from window to window, within `cache_bytes`; symbol tables are read
// for what is new and not kept. Thread-compatible.
class Namer {
 public:
  static constexpr size_t kDefaultCacheBytes = size_t{24} << 20;
  // `indexes` must live longer; nullptr = names alone.
  explicit Namer(size_t cache_bytes = kDefaultCacheBytes, LineIndexes* indexes = nullptr)
      : cache_bytes_(cache_bytes), indexes_(indexes) {}

  // Before the frames of a window: looks up those that are not known yet, and takes in which kernel code came and went
  // meanwhile.
  void BeginWindow(const Window& window);
  // `frame` is one of `window`, which was begun.
  NamedFrame Name(const Window& window, const Frame& frame);
  // After them: forgets what was used longest ago, as far as there is more than the cache may hold.
  void EndWindow(const Window& window);

  // Advice for the user, one line each, on what kept names away (kptr_restrict …).
  const std::vector<std::string>& notes() const { return notes_; }
  // Of names of object files, and perf maps; the kernel's symbols are not among them.
  size_t memory_bytes() const;
  size_t kernel_symbol_bytes() const { return kernel_ ? kernel_->memory_bytes() : 0; }
  void SetCacheBytes(size_t bytes) { cache_bytes_ = bytes; }

 private:
  struct Object {
    ObjectNames names;
    uint64_t used_in = 0;  // window_
  };
  struct PerfMapFile {
    std::shared_ptr<const File> file;                // open, so that its identity stays its own
    std::unique_ptr<const symbolizer::PerfMap> map;  // nullptr if it can't be read
    uint64_t size = 0;                               // as it was read; they grow
    uint64_t used_in = 0;
  };

  NamedFrame NameObject(const Window& window, const Frame& frame);
  NamedFrame NameKernel(const Frame& frame);
  NamedFrame NameJit(const Window& window, const Frame& frame);
  const symbolizer::PerfMap* PerfMapOf(const WindowImage& image);
  void LoadKernelSymbols(const Window& window);
  void TakeInKernelSymbols(const Window& window);

  size_t cache_bytes_;
  LineIndexes* indexes_;
  uint64_t window_ = 0;  // counts them
  absl::node_hash_map<ObjectId, Object> objects_;
  absl::flat_hash_map<FileIdentity, PerfMapFile> perf_maps_;
  std::optional<symbolizer::KernelSymbols> kernel_;
  bool kernel_loaded_ = false;
  std::vector<std::string> notes_;
};

}  // namespace kiln::agent
