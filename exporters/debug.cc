// SPDX-License-Identifier: Apache-2.0
#include "exporters/debug.h"

#include <string>
#include <utility>

#include "exporters/debug_text.h"

namespace kiln::exporters {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

DebugExporter::DebugExporter(DebugSettings settings, std::function<void(std::string_view)> write,
                             std::function<uint64_t()> monotonic_ns)
    : settings_(settings), write_(std::move(write)), monotonic_ns_(std::move(monotonic_ns)) {}

bool DebugExporter::Shown() {
  const uint64_t now = monotonic_ns_();
  if (in_second_ == 0 || now - second_begin_ >= kSecond) {
    second_begin_ = now;
    in_second_ = 0;
  }
  const int64_t later = ++in_second_ - settings_.sampling_initial;
  return later <= 0 || (settings_.sampling_thereafter > 0 && later % settings_.sampling_thereafter == 0);
}

pipeline::ExportResult DebugExporter::Export(const pipeline::Batch& batch, absl::Duration) {
  const std::lock_guard lock(mutex_);
  if (!Shown()) {
    ++not_shown_;
    return {};
  }
  std::string text = DebugText(batch, settings_.verbosity);
  if (not_shown_ > 0) text += fmt::format("\n({} batches before this one were not shown)", not_shown_);
  not_shown_ = 0;
  write_(text);
  return {};
}

}  // namespace kiln::exporters
