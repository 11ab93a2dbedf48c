// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace kiln {
namespace {

constexpr int kZlibWindowBits = 15;  // the largest window
constexpr int kGzipWindowBits = kZlibWindowBits + 16;
constexpr size_t kMaxStep = 1u << 30;  // zlib counts in unsigned int

Bytef* Input(std::string_view data) { return reinterpret_cast<Bytef*>(const_cast<char*>(data.data())); }

// `format` is for messages.
StatusOr<std::string> Decompress(std::string_view data, size_t limit_bytes, int window_bits, std::string_view format) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) std::abort();
  std::string out;
  std::array<char, 65536> buffer;
  Status status = absl::OkStatus();
  bool member_complete = false;
  while (status.ok() && (!data.empty() || !member_complete)) {
    if (member_complete) {  // a further member
      inflateReset(&stream);
      member_complete = false;
    }
    const size_t step = std::min(data.size(), kMaxStep);
    stream.next_in = Input(data);
    stream.avail_in = static_cast<uInt>(step);
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    const int result = inflate(&stream, Z_NO_FLUSH);
    const size_t produced = buffer.size() - stream.avail_out;
    const size_t consumed = step - stream.avail_in;
    data.remove_prefix(consumed);
    if (out.size() + produced > limit_bytes) {
      status = Error(absl::StatusCode::kResourceExhausted, "unpacks to more than {} bytes", limit_bytes);
      break;
    }
    out.append(buffer.data(), produced);
    member_complete = result == Z_STREAM_END;
    if (result != Z_OK && result != Z_STREAM_END)
      status = Error(absl::StatusCode::kInvalidArgument, "damaged {} data", format);
    if (result == Z_OK && produced == 0 && consumed == 0)
      status = Error(absl::StatusCode::kInvalidArgument, "{} data is cut short", format);
  }
  inflateEnd(&stream);
  if (!status.ok()) return status;
  return out;
}

}  // namespace

std::string GzipCompress(std::string_view data) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzipWindowBits, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string out;
  std::array<char, 65536> buffer;
  int result = Z_OK;
  do {
    const size_t step = std::min(data.size(), kMaxStep);
    stream.next_in = Input(data);
    stream.avail_in = static_cast<uInt>(step);
    data.remove_prefix(step);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = buffer.size();
      result = deflate(&stream, data.empty() ? Z_FINISH : Z_NO_FLUSH);
      out.append(buffer.data(), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (result != Z_STREAM_END);
  deflateEnd(&stream);
  return out;
}

bool IsGzip(std::string_view data) { return data.size() >= 2 && data[0] == '\x1f' && data[1] == '\x8b'; }

StatusOr<std::string> GzipDecompress(std::string_view data, size_t limit_bytes) {
  return Decompress(data, limit_bytes, kGzipWindowBits, "gzip");
}

StatusOr<std::string> ZlibDecompress(std::string_view data, size_t limit_bytes) {
  return Decompress(data, limit_bytes, kZlibWindowBits, "zlib");
}

}  // namespace kiln
