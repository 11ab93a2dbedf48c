// SPDX-License-Identifier: Apache-2.0
// Keeps the raw log: compresses it and writes it to a file.
#pragma once

#include <string>
#include <string_view>

namespace demo {

// A byte-oriented LZ77: literals, and matches found by a hash of four bytes.
std::string Compress(std::string_view data);
std::string Decompress(std::string_view packed);

// CRC-32, bit by bit.
uint32_t Checksum(std::string_view data);

// An unnamed temporary file that blocks are appended to. Exits the program on an I/O error. Not thread-safe.
class BlockFile {
 public:
  BlockFile();
  ~BlockFile();
  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;

  void Append(std::string_view block);
  std::string ReadAll() const;
  void Truncate();

 private:
  int fd_;
  size_t bytes_ = 0;
};

}  // namespace demo
