// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/section_unpack.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

#ifndef ELFCOMPRESS_ZSTD
constexpr uint32_t ELFCOMPRESS_ZSTD = 2;
#endif

// The unpacked bytes. There is never more room than what is there may still need: half as much again.
class Output {
 public:
  explicit Output(uint64_t announced) : announced_(announced) {}

  // Where the next bytes go; empty if as many as announced are there.
  std::span<std::byte> Room() {
    if (used_ == bytes_.size()) {
      bytes_.resize(std::min(announced_, std::max<uint64_t>(kFirstBytes, used_ + used_ / 2)));
    }
    return std::span(bytes_).subspan(used_);
  }
  void Add(size_t count) { used_ += count; }

  StatusOr<std::vector<std::byte>> Take() {
    if (used_ != announced_) {
      return Error(absl::StatusCode::kDataLoss, "unpacks to {} bytes instead of {}", used_, announced_);
    }
    return std::move(bytes_);
  }

 private:
  static constexpr uint64_t kFirstBytes = 64 * 1024;
  uint64_t announced_;
  uint64_t used_ = 0;
  std::vector<std::byte> bytes_;
};

Status Damaged(std::string_view method) {
  return Error(absl::StatusCode::kDataLoss, "{} data is damaged, cut, or more than announced", method);
}

StatusOr<std::vector<std::byte>> Inflate(std::span<const std::byte> packed, uint64_t announced) {
  constexpr size_t kMaxStep = 1u << 30;  // zlib counts in unsigned int
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) std::abort();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, ::inflateEnd);
  Output output(announced);
  for (bool complete = false; !packed.empty() || !complete;) {
    if (complete) (void)::inflateReset(&stream);  // a further stream, as linkers that only concatenate leave it
    const size_t step = std::min(packed.size(), kMaxStep);
    std::byte none;
    const std::span<std::byte> room = output.Room();
    const size_t space = std::min(room.size(), kMaxStep);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(step);
    stream.next_out = reinterpret_cast<Bytef*>(space == 0 ? &none : room.data());
    stream.avail_out = static_cast<uInt>(space);
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    const size_t consumed = step - stream.avail_in;
    const size_t produced = space - stream.avail_out;
    packed = packed.subspan(consumed);
    output.Add(produced);
    complete = result == Z_STREAM_END;
    // Z_BUF_ERROR: neither input nor room is left, which the second condition tells, too.
    if ((result != Z_OK && !complete) || (consumed == 0 && produced == 0)) return Damaged("zlib");
  }
  return output.Take();
}

StatusOr<std::vector<std::byte>> Unzstd(std::span<const std::byte> packed, uint64_t announced) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(::ZSTD_createDCtx(), ::ZSTD_freeDCtx);
  if (context == nullptr) std::abort();
  constexpr int kWindowLog = std::countr_zero(kMaxUnpackWindowBytes);
  (void)::ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);
  Output output(announced);
  ZSTD_inBuffer in{.src = packed.data(), .size = packed.size(), .pos = 0};
  for (size_t rest = 1; in.pos < in.size || rest != 0;) {
    const std::span<std::byte> room = output.Room();
    ZSTD_outBuffer out{.dst = room.data(), .size = room.size(), .pos = 0};
    const size_t consumed_before = in.pos;
    rest = ::ZSTD_decompressStream(context.get(), &out, &in);
    if (::ZSTD_isError(rest) != 0) {
      return Error(absl::StatusCode::kDataLoss, "Zstandard: {}", ::ZSTD_getErrorName(rest));
    }
    output.Add(out.pos);
    if (out.pos == 0 && in.pos == consumed_before && rest != 0) return Damaged("Zstandard");
  }
  return output.Take();
}

Status CheckSize(uint64_t announced, uint64_t limit_bytes) {
  if (announced <= limit_bytes) return absl::OkStatus();
  return Error(absl::StatusCode::kResourceExhausted, "unpacks to {} bytes; the limit is {}", announced, limit_bytes);
}

}  // namespace

StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes) {
  ByteReader reader(packed);
  Elf64_Chdr header;
  if (!reader.Read(header)) return Error(absl::StatusCode::kDataLoss, "the compression header is cut");
  if (header.ch_type != ELFCOMPRESS_ZLIB && header.ch_type != ELFCOMPRESS_ZSTD) {
    return Error(absl::StatusCode::kUnimplemented, "compressed by method {}", header.ch_type);
  }
  KILN_RETURN_IF_ERROR(CheckSize(header.ch_size, limit_bytes));
  const std::span<const std::byte> data = packed.subspan(reader.position());
  return header.ch_type == ELFCOMPRESS_ZLIB ? Inflate(data, header.ch_size) : Unzstd(data, header.ch_size);
}

StatusOr<std::vector<std::byte>> UnpackGnuSection(std::span<const std::byte> packed, uint64_t limit_bytes) {
  ByteReader reader(packed);
  const auto magic = reader.Bytes(4);
  uint64_t size = 0;
  if (!magic || AsText(*magic) != "ZLIB" || !reader.Read(size)) {
    return Error(absl::StatusCode::kDataLoss, "the header of the compressed section is cut or none");
  }
  size = __builtin_bswap64(size);
  KILN_RETURN_IF_ERROR(CheckSize(size, limit_bytes));
  return Inflate(packed.subspan(reader.position()), size);
}

}  // namespace kiln::symbolizer
