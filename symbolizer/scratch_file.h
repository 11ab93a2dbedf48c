// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::symbolizer {

// Bytes that are written once and then looked at, without a name and gone with this object: what would be too much for
// memory while an index is made. Move-only, thread-compatible.
class ScratchFile {
 public:
  // An empty file in `folder`, for reading and writing, that goes when it is closed; "" = in memory (memfd_create).
  static StatusOr<UniqueFd> CreateUnnamed(const std::string& folder);
  // The same, to be written through this class.
  static StatusOr<ScratchFile> Create(const std::string& folder);
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile();

  void Append(std::span<const std::byte> bytes);
  template <typename T>
  void Append(const T& value) {
    Append(std::as_bytes(std::span(&value, 1)));
  }
  uint64_t size() const { return written_ + buffer_.size(); }

  // The first error of any Append.
  const Status& status() const { return status_; }

  // All of it, mapped; the first error of any Append. Nothing may be appended afterwards.
  StatusOr<std::span<const std::byte>> Finish();
  // Lets go of the memory of what was mapped.
  void Drop() const;

  // The first of $TMPDIR and /var/tmp that can have such files; "" if none can.
  static std::string UsableFolder();

 private:
  explicit ScratchFile(UniqueFd fd) : fd_(std::move(fd)) {}
  void Flush();

  UniqueFd fd_;
  std::vector<std::byte> buffer_;
  uint64_t written_ = 0;
  Status status_;
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
};

}  // namespace kiln::symbolizer
