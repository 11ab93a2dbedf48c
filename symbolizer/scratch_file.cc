// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/scratch_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace kiln::symbolizer {
namespace {

constexpr size_t kBufferBytes = 256 << 10;

}  // namespace

StatusOr<UniqueFd> ScratchFile::CreateUnnamed(const std::string& folder) {
  UniqueFd fd(folder.empty() ? ::memfd_create("kiln-index", MFD_CLOEXEC)
                             : ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.get() < 0) {
    return ErrnoError(errno, "cannot make a temporary file in {}", folder.empty() ? "memory" : folder);
  }
  return fd;
}

StatusOr<ScratchFile> ScratchFile::Create(const std::string& folder) {
  KILN_ASSIGN_OR_RETURN(UniqueFd fd, CreateUnnamed(folder));
  return ScratchFile(std::move(fd));
}

std::string ScratchFile::UsableFolder() {
  const char* const wanted = std::getenv("TMPDIR");
  for (const char* const folder : {wanted, "/var/tmp"}) {
    if (folder != nullptr && *folder == '/' && CreateUnnamed(folder).ok()) return folder;
  }
  return "";
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      buffer_(std::move(other.buffer_)),
      written_(other.written_),
      status_(std::move(other.status_)),
      mapped_(std::exchange(other.mapped_, nullptr)),
      mapped_bytes_(other.mapped_bytes_) {}

ScratchFile::~ScratchFile() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_bytes_);
}

void ScratchFile::Append(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) Flush();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void ScratchFile::Flush() {
  for (size_t done = 0; done < buffer_.size() && status_.ok();) {
    const ssize_t written = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      status_ = ErrnoError(errno, "cannot write a temporary file");
    } else {
      done += static_cast<size_t>(written);
    }
  }
  written_ += buffer_.size();
  buffer_.clear();
}

StatusOr<std::span<const std::byte>> ScratchFile::Finish() {
  Flush();
  KILN_RETURN_IF_ERROR(status_);
  if (written_ == 0) return std::span<const std::byte>();
  if (mapped_ == nullptr) {
    void* const at = ::mmap(nullptr, written_, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd_.get(), 0);
    if (at == MAP_FAILED) return ErrnoError(errno, "cannot map a temporary file");
    mapped_ = at;
    mapped_bytes_ = written_;
  }
  return std::span(static_cast<const std::byte*>(mapped_), mapped_bytes_);
}

void ScratchFile::Drop() const {
  if (mapped_ != nullptr) ::madvise(mapped_, mapped_bytes_, MADV_DONTNEED);
}

}  // namespace kiln::symbolizer
