// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/perf_map.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <span>
#include <string>
#include <utility>

#include "symbolizer/string_table.h"

namespace kiln::symbolizer {
namespace {

// Holds the longest line that counts: a name, and two numbers.
constexpr size_t kWindowBytes = 2 * kMaxSymbolNameBytes;

// Takes a hexadecimal number, with or without 0x, and the blanks behind it.
bool TakeHex(std::string_view& text, uint64_t& value) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  const auto [after, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(after - text.data()));
  const size_t blanks = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(blanks);
  return blanks != 0;
}

}  // namespace

StatusOr<PerfMap> PerfMap::Parse(std::string_view text, const PerfMapLimits& limits) {
  if (text.size() > limits.max_file_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a perf map of {} bytes; the limit is {}", text.size(),
                 limits.max_file_bytes);
  }
  PerfMap map(limits);
  KILN_RETURN_IF_ERROR(map.Take(text).status());
  return map;
}

StatusOr<PerfMap> PerfMap::Read(const File& file, const PerfMapLimits& limits) {
  PerfMap map(limits);
  KILN_RETURN_IF_ERROR(map.Update(file));
  return map;
}

bool PerfMap::TakeLine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  uint64_t start = 0;
  uint64_t size = 0;
  const bool good =
      TakeHex(line, start) && TakeHex(line, size) && code_.Add(start, size, line.substr(0, kMaxSymbolNameBytes));
  ++(good ? size_ : damaged_lines_);
  return good;
}

StatusOr<size_t> PerfMap::Take(std::string_view text) {
  size_t taken = 0;
  for (size_t newline; (newline = text.find('\n')) != std::string_view::npos; text.remove_prefix(newline + 1)) {
    taken += newline + 1;
    if (std::exchange(long_line_, 0) != 0) {
      ++damaged_lines_;
      continue;
    }
    if (TakeLine(text.substr(0, newline)) && code_.memory_bytes() > limits_.max_memory_bytes) {
      return Error(absl::StatusCode::kResourceExhausted, "the names of a perf map take more than {} bytes",
                   limits_.max_memory_bytes);
    }
  }
  return taken;
}

bool PerfMap::WasReplaced(const File& file, uint64_t size) const {
  if (size < read_) return true;
  std::array<char, sizeof(tail_)> now{};
  const auto bytes = std::as_writable_bytes(std::span(now)).first(tail_size_);
  return !file.ReadAt(FileOffset(read_ - tail_size_), bytes).ok() || now != tail_;
}

Status PerfMap::Update(const File& file) {
  struct stat now {};
  if (::fstat(file.fd(), &now) != 0) return ErrnoError(errno, "cannot stat the perf map");
  const auto size = static_cast<uint64_t>(now.st_size);
  if (WasReplaced(file, size)) *this = PerfMap(limits_);
  if (!given_up_.ok()) return given_up_;
  const uint64_t end = std::min(size, limits_.max_file_bytes);
  std::string window;
  while (read_ < end) {
    window.resize(std::min<uint64_t>(end - read_, kWindowBytes));
    const Status status = file.ReadAt(FileOffset(read_), std::as_writable_bytes(std::span(window)));
    if (absl::IsOutOfRange(status)) return absl::OkStatus();  // cut meanwhile: what is there then is read next time
    KILN_RETURN_IF_ERROR(status);
    StatusOr<size_t> taken = Take(window);
    if (!taken.ok()) return given_up_ = taken.status();
    if (*taken == 0 && window.size() < kWindowBytes) break;  // the begin of a line, and perhaps of a long one
    if (*taken == 0) {
      *taken = window.size();
      long_line_ += *taken;
    }
    read_ += *taken;
    tail_ = {};
    tail_size_ = std::min(*taken, tail_.size());
    std::ranges::copy(std::string_view(window).substr(*taken - tail_size_, tail_size_), tail_.begin());
    if ((size_ == 0 && read_ >= kMaxNoise) || long_line_ >= kMaxNoise) {
      return given_up_ = Error(absl::StatusCode::kDataLoss, "no line of a perf map in {} bytes", kMaxNoise);
    }
  }
  if (size > limits_.max_file_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, "a perf map of {} bytes; the limit is {}", size,
                 limits_.max_file_bytes);
  }
  return absl::OkStatus();
}

}  // namespace kiln::symbolizer
