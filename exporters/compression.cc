// SPDX-License-Identifier: Apache-2.0
#include "exporters/compression.h"

#include <zstd.h>

#include <cstdlib>

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

}  // namespace kiln::exporters
