// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/byte_source.h"

#include <cstring>
#include <utility>

namespace kiln::symbolizer {
namespace {

class FileSource final : public ByteSource {
 public:
  explicit FileSource(File file) : file_(std::move(file)) {}
  uint64_t size() const override { return file_.size(); }
  Status ReadAt(FileOffset offset, std::span<std::byte> out) const override { return file_.ReadAt(offset, out); }
  const File* file() const override { return &file_; }

 private:
  File file_;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(FileOffset offset, std::span<std::byte> out) const override {
    if (offset.value() > bytes_.size() || out.size() > bytes_.size() - offset.value()) {
      return Error(absl::StatusCode::kOutOfRange, "the image ends before offset {}", offset.value() + out.size());
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset.value(), out.size());
    return absl::OkStatus();
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

std::unique_ptr<const ByteSource> MakeFileSource(File file) { return std::make_unique<FileSource>(std::move(file)); }

std::unique_ptr<const ByteSource> MakeMemorySource(std::vector<std::byte> bytes) {
  return std::make_unique<MemorySource>(std::move(bytes));
}

}  // namespace kiln::symbolizer
