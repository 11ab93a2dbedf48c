// SPDX-License-Identifier: Apache-2.0
// The second opinion: call frame information as libdw (elfutils) reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "symbolizer/unwind/check/frame_values.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer::check {

// What holds for [begin, end) of the code.
class LibdwFrame {
 public:
  virtual ~LibdwFrame() = default;
  virtual uint64_t begin() const = 0;
  virtual uint64_t end() const = 0;
  virtual bool signal_frame() const = 0;
  // `tracked`: DWARF number, kNoDwarfRegister for none. nullopt for expressions that can't be worked out.
  virtual std::optional<FrameValues> Values(uint64_t tracked, const MadeUpThread& thread) const = 0;
};

struct CodeRange {
  uint64_t begin;
  uint64_t end;
};

class LibdwFile {
 public:
  enum class Found { kFrame, kNothing, kDamaged };

  virtual ~LibdwFile() = default;
  // nullptr if libdw can't read the file.
  static std::unique_ptr<LibdwFile> Open(const std::string& path);

  // The code of all FDEs, unsorted, also empty ones. Of .debug_frame only what .eh_frame doesn't have.
  virtual std::vector<CodeRange> FdeRanges() = 0;
  virtual Found At(uint64_t address, std::unique_ptr<LibdwFrame>& frame) = 0;
};

}  // namespace kiln::symbolizer::check
