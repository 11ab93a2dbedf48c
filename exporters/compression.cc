// SPDX-License-Identifier: Apache-2.0
#include "exporters/compression.h"

#include <zstd.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "base/excerpt.h"
#include "base/gzip.h"

namespace kiln::exporters {
namespace {

// zstd's own default of 3 takes twice the time for some percent of the bytes of a profile.
constexpr int kZstdLevel = 1;

std::string ZstdCompress(std::string_view data) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), data.data(), data.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) std::abort();  // never but for memory: there is room for the worst case
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

struct ZstdFree {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

StatusOr<std::string> ZstdDecompress(std::string_view data, size_t limit_bytes) {
  const std::unique_ptr<ZSTD_DStream, ZstdFree> stream(ZSTD_createDStream());
  if (stream == nullptr) std::abort();
  ZSTD_inBuffer in{.src = data.data(), .size = data.size(), .pos = 0};
  std::string out;
  std::array<char, 16384> buffer;
  size_t left = 1;  // 0 at the end of a frame
  while (left != 0) {
    ZSTD_outBuffer step{.dst = buffer.data(), .size = buffer.size(), .pos = 0};
    const size_t before = in.pos;
    left = ZSTD_decompressStream(stream.get(), &step, &in);
    if (ZSTD_isError(left) != 0 || (step.pos == 0 && in.pos == before))
      return absl::InvalidArgumentError("damaged or cut zstd data");
    if (out.size() + step.pos > limit_bytes)
      return Error(absl::StatusCode::kResourceExhausted, "unpacks to more than {} bytes", limit_bytes);
    out.append(buffer.data(), step.pos);
  }
  if (in.pos != in.size) return absl::InvalidArgumentError("zstd data with something behind it");
  return out;
}

}  // namespace

std::string_view EncodingName(Compression compression) {
  switch (compression) {
    case Compression::kNone: return "";
    case Compression::kGzip: return "gzip";
    case Compression::kZstd: return "zstd";
  }
  return "";
}

std::string Compress(Compression compression, std::string_view data) {
  switch (compression) {
    case Compression::kNone: break;
    case Compression::kGzip: return GzipCompress(data);
    case Compression::kZstd: return ZstdCompress(data);
  }
  return std::string(data);
}

StatusOr<std::string> Decompress(std::string_view encoding, std::string_view data, size_t limit_bytes) {
  if (encoding == "gzip") return GzipDecompress(data, limit_bytes);
  if (encoding == "zstd") return ZstdDecompress(data, limit_bytes);
  if (encoding != "identity")
    return Error(absl::StatusCode::kInvalidArgument, "compressed as \"{}\", which is not known", Excerpt(encoding, 40));
  if (data.size() > limit_bytes)
    return Error(absl::StatusCode::kResourceExhausted, "has more than {} bytes", limit_bytes);
  return std::string(data);
}

}  // namespace kiln::exporters
