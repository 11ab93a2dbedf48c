// SPDX-License-Identifier: Apache-2.0
// Where the bytes of an ELF image come from: a file, read with pread (why not mmap: base/file.h), or memory, for the
// vDSO and for images that were unpacked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/file.h"
#include "base/status.h"

namespace kiln::symbolizer {

// Const methods are thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Bytes, as known when the source was made. A file may shrink later; reads then fail.
  virtual uint64_t size() const = 0;
  // Fills `out` completely from `offset`, or fails (kOutOfRange when the source ends before).
  virtual Status ReadAt(FileOffset offset, std::span<std::byte> out) const = 0;
  // The file behind the bytes; nullptr if there is none.
  virtual const File* file() const { return nullptr; }
};

std::unique_ptr<const ByteSource> MakeFileSource(File file);
std::unique_ptr<const ByteSource> MakeMemorySource(std::vector<std::byte> bytes);

}  // namespace kiln::symbolizer
