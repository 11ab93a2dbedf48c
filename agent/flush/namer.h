// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/node_hash_map.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flush/jit_names.h"
#include "agent/flush/kernel_names.h"
#include "agent/flush/object_names.h"
#include "agent/session/window.h"
#include "agent/symbols/line_indexes.h"
#include "profile/frame_type.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// A frame with its names.
struct NamedFrame {
  profile::FrameType type;
  std::string module;    // file path, "[kernel.kallsyms]", "[<kernel module>]", "[bpf]", "[vdso]", the perf map or
                         // jitdump; "" = none
  std::string build_id;  // "" if not known
  uint64_t module_start = 0, module_limit = 0, module_offset = 0;  // as in profile::Mapping
  uint64_t address = 0;                                            // as in profile::Location
  std::vector<symbolizer::SourceLine> lines;  // innermost first; never empty: "[module+0xaddress]" stands for a miss
  symbolizer::Miss miss = symbolizer::Miss::kNone;
  IndexState lines_state = IndexState::kOff;  // of native code: what became of its debug information
};

// Stage 5: names frames. What was named stays known from window to window, within `cache_bytes`; symbol tables are read
// for what is new and not kept. Thread-compatible.
class Namer {
 public:
  static constexpr size_t kDefaultCacheBytes = size_t{24} << 20;
  // Perf maps and jitdumps may take so many times as much besides: what has no room is read from its begin each time.
  static constexpr size_t kJitCacheFactor = 2;
  // `indexes` must live longer; nullptr = names alone.
  explicit Namer(size_t cache_bytes = kDefaultCacheBytes, LineIndexes* indexes = nullptr)
      : cache_bytes_(cache_bytes), indexes_(indexes) {}

  // Asks for the line indexes of the files, the kernel and its modules in `window`, those with most samples first, and
  // waits until each is decided; false if that took longer than `timeout`, or `stop` said so. Who does not wait has
  // them some windows later.
  bool AwaitIndexes(const Window& window, absl::Duration timeout, const std::function<bool()>& stop);

  // Before the frames of a window: looks up those that are not known yet, and takes in which kernel code came and went
  // meanwhile.
  void BeginWindow(const Window& window);
  // `frame` is one of `window`, which was begun.
  NamedFrame Name(const Window& window, const Frame& frame);
  // After them: forgets what was used longest ago, as far as there is more than the cache may hold.
  void EndWindow(const Window& window);

  // Advice for the user, one line each, on what kept names away (kptr_restrict …).
  std::vector<std::string> notes() const;
  // Of names of object files, perf maps and jitdumps; the kernel's symbols are not among them.
  size_t memory_bytes() const;
  size_t kernel_symbol_bytes() const { return kernel_.memory_bytes(); }
  // They must live until others are set.
  void SetIndexes(LineIndexes* indexes) { indexes_ = indexes; }
  void SetCacheBytes(size_t bytes) { cache_bytes_ = bytes; }

 private:
  struct Object {
    ObjectNames names;
    IndexState lines_state = IndexState::kOff;
    uint64_t used_in = 0;  // window_
  };
  NamedFrame NameObject(const Window& window, const Frame& frame);
  NamedFrame NameKernel(const Frame& frame);
  NamedFrame NameJit(const Window& window, const Frame& frame);
  size_t cache_bytes_;
  LineIndexes* indexes_;
  uint64_t window_ = 0;  // counts them
  absl::node_hash_map<ObjectId, Object> objects_;
  KernelNames kernel_;
  JitNames jit_;
};

}  // namespace kiln::agent
