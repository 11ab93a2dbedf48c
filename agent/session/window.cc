// SPDX-License-Identifier: Apache-2.0
#include "agent/session/window.h"

#include "agent/process/jit_files.h"

namespace kiln::agent {

Window TakeWindowOf(Aggregator& aggregator, Locator& locator, const ProcessTable& processes) {
  Window window;
  window.aggregate = aggregator.Take();
  window.frames = locator.TakeFrames();
  const auto add_image = [&](ImageId id, bool has_generated_code) {
    const auto [entry, added] = window.images.try_emplace(id);
    const Process& process = processes.image(id);
    WindowImage& image = entry->second;
    if (added) {
      image = {.pid = process.pid,
               .namespaced_pid = process.namespaced_pid,
               .jit_files = process.jit_files,
               .who = process.who};
    }
    if (has_generated_code && image.jit_files.files.empty() && !image.looked_for_jit_files) {
      image.looked_for_jit_files = true;
      FindJitFiles(process, processes.NamespaceViews(process), image.jit_files);
    }
  };
  for (const Frame& frame : window.frames) {
    if (frame.space == FrameSpace::kObject) {
      const ObjectId id{frame.owner};
      if (auto& file = window.objects[id]; file == nullptr) file = locator.objects().Share(id);
    } else if (frame.space == FrameSpace::kJit || frame.space == FrameSpace::kUnmapped) {
      add_image(ImageId{frame.owner}, frame.space == FrameSpace::kJit);
    }
  }
  for (const Thread& thread : window.aggregate.threads) add_image(thread.image, false);
  return window;
}

}  // namespace kiln::agent
