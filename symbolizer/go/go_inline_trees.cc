// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_inline_trees.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

namespace kiln::symbolizer {
namespace {

// A tree is read record by record, from its end upwards.
constexpr size_t kWindowBytes = 1024;
// Functions by which the base is known, and how many are looked at for them.
constexpr size_t kSamples = 32;
constexpr size_t kMaxTried = 4096;
// Go's own functions inline some hundred calls at most; generated ones reach thousands.
constexpr int32_t kMaxIndex = 1 << 20;

}  // namespace

GoInlineTrees::GoInlineTrees(const ElfFile& elf, const GoPclntab& table)
    : layout_(table.layout()), window_(elf, kWindowBytes) {
  if (layout_ == GoPclntab::Layout::kGo116) {
    base_ = ElfAddress(0);
  } else {
    FindBase(table);
  }
}

void GoInlineTrees::FindBase(const GoPclntab& table) {
  const std::optional<GoModuledata> module = table.FindModule();
  if (!module) return;
  std::vector<GoFunction> samples;
  // From all over the program: a wrong base may fit one package by chance.
  const size_t step = std::max<size_t>(1, table.size() / kMaxTried);
  for (size_t i = 0; i < table.size() && samples.size() < kSamples * 8; i += step) {
    const StatusOr<GoFunction> function = table.Read(i);
    if (function.ok() && function->inlined != 0 && function->inline_tree) samples.push_back(*function);
  }
  if (samples.empty()) return;
  const size_t stride = std::max<size_t>(1, samples.size() / kSamples);
  const auto fits = [&](const GoFunction& function) {
    const std::optional<Call> call = Read(function, 0);
    if (!call) return false;
    // A name begins behind the NUL of the one before.
    const std::optional<std::string> before = call->name == 0 ? "" : table.Name(call->name - 1);
    const std::optional<std::string> name = table.Name(call->name);
    return before && before->empty() && name && !name->empty();
  };
  for (const uint64_t word : module->words().subspan(GoModuledata::kFirstMoving)) {
    if (word == 0) continue;
    base_ = ElfAddress(word);
    bool all = true;
    for (size_t i = 0; i < samples.size() && all; i += stride) all = fits(samples[i]);
    if (all) return;
  }
  base_.reset();
}

std::optional<GoInlineTrees::Call> GoInlineTrees::Read(const GoFunction& function, int32_t index) const {
  if (!base_ || !function.inline_tree || index < 0 || index > kMaxIndex) return std::nullopt;
  const bool new_layout = layout_ == GoPclntab::Layout::kGo120;
  // 1.20: kind, name, caller's instruction, start line. Before: parent and kind, file, line, name, caller's
  // instruction.
  std::array<uint32_t, 5> words{};
  const size_t count = new_layout ? 4 : 5;
  const uint64_t tree = base_->value() + *function.inline_tree;
  const ElfAddress at(tree + static_cast<uint64_t>(index) * count * sizeof(words[0]));
  if (!window_.Read(at, std::as_writable_bytes(std::span(words).first(count)))) return std::nullopt;
  const Call call = new_layout
                        ? Call{.name = words[1], .caller_code = words[2], .start_line = static_cast<int32_t>(words[3])}
                        : Call{.name = words[3], .caller_code = words[4], .start_line = 0};
  const uint64_t size = function.extent.end.value() - function.extent.begin.value();
  const bool spare_is_zero = new_layout ? (words[0] >> 8) == 0 : (words[0] >> 24) == 0;
  if (!spare_is_zero || call.caller_code >= size || call.start_line < 0) return std::nullopt;
  return call;
}

}  // namespace kiln::symbolizer
