// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/demo/archive.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/programs/truth.h"

namespace demo {
namespace {

constexpr size_t kShortestMatch = 4;
constexpr size_t kLongestMatch = 255;
constexpr size_t kWindow = 65'535;
constexpr char kLiteral = 0;
constexpr char kMatch = 1;

uint32_t HashOfFour(std::string_view data, size_t at) {
  uint32_t word;
  memcpy(&word, data.data() + at, sizeof(word));
  return word * 2654435761u >> 19;
}

__attribute__((noinline)) size_t MatchLength(std::string_view data, size_t earlier, size_t at) {
  size_t length = 0;
  while (length < kLongestMatch && at + length < data.size() && data[earlier + length] == data[at + length]) ++length;
  return length;
}

// Chains of earlier positions with the same hash.
class MatchFinder {
 public:
  explicit MatchFinder(std::string_view data) : data_(data), head_(1 << 13, kNone), previous_(data.size(), kNone) {}

  // The longest earlier match for `at`, {position, length}; length 0 if none. Remembers `at`.
  __attribute__((noinline)) std::pair<size_t, size_t> FindLongestMatch(size_t at) {
    std::pair<size_t, size_t> best = {0, 0};
    if (at + kShortestMatch > data_.size()) return best;
    uint32_t& head = head_[HashOfFour(data_, at)];
    int tries = 16;
    for (uint32_t earlier = head; earlier != kNone && at - earlier <= kWindow && tries-- > 0;
         earlier = previous_[earlier]) {
      const size_t length = MatchLength(data_, earlier, at);
      if (length > best.second) best = {earlier, length};
    }
    previous_[at] = head;
    head = static_cast<uint32_t>(at);
    return best;
  }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  std::string_view data_;
  std::vector<uint32_t> head_;
  std::vector<uint32_t> previous_;
};

__attribute__((noinline)) void EmitMatch(std::string& packed, size_t distance, size_t length) {
  packed += kMatch;
  packed += static_cast<char>(length);
  packed += static_cast<char>(distance & 0xff);
  packed += static_cast<char>(distance >> 8);
}

}  // namespace

std::string Compress(std::string_view data) {
  std::string packed;
  MatchFinder finder(data);
  for (size_t at = 0; at < data.size();) {
    const auto [earlier, length] = finder.FindLongestMatch(at);
    if (length >= kShortestMatch) {
      EmitMatch(packed, at - earlier, length);
      at += length;
    } else {
      packed += kLiteral;
      packed += data[at++];
    }
  }
  return packed;
}

std::string Decompress(std::string_view packed) {
  std::string data;
  for (size_t at = 0; at + 1 < packed.size();) {
    if (packed[at] == kLiteral) {
      data += packed[at + 1];
      at += 2;
      continue;
    }
    const auto byte = [&](size_t offset) {
      return static_cast<size_t>(static_cast<unsigned char>(packed[at + offset]));
    };
    size_t earlier = data.size() - (byte(2) | byte(3) << 8);
    for (size_t length = byte(1); length > 0; --length) data += data[earlier++];
    at += 4;
  }
  return data;
}

uint32_t Checksum(std::string_view data) {
  uint32_t crc = 0xffffffff;
  for (const char byte : data) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

BlockFile::BlockFile() : fd_(memfd_create("demo-archive", MFD_CLOEXEC)) {
  if (fd_ < 0) kiln::programs::Die("making the archive");
}

BlockFile::~BlockFile() { close(fd_); }

void BlockFile::Append(std::string_view block) {
  if (pwrite(fd_, block.data(), block.size(), static_cast<off_t>(bytes_)) != static_cast<ssize_t>(block.size())) {
    kiln::programs::Die("writing the archive");
  }
  bytes_ += block.size();
}

std::string BlockFile::ReadAll() const {
  std::string blocks(bytes_, '\0');
  if (pread(fd_, blocks.data(), bytes_, 0) != static_cast<ssize_t>(bytes_)) {
    kiln::programs::Die("reading the archive");
  }
  return blocks;
}

void BlockFile::Truncate() {
  if (ftruncate(fd_, 0) != 0) kiln::programs::Die("truncating the archive");
  bytes_ = 0;
}

}  // namespace demo
