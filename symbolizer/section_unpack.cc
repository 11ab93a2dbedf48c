// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/section_unpack.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

#ifndef ELFCOMPRESS_ZSTD
constexpr uint32_t ELFCOMPRESS_ZSTD = 2;
#endif

constexpr size_t kPieceBytes = 256 * 1024;

Status Damaged(std::string_view method) {
  return Error(absl::StatusCode::kDataLoss, "{} data is damaged, cut, or more than announced", method);
}

// Packed bytes, a piece of them at a time.
class Input {
 public:
  explicit Input(UnpackSource source) : source_(source), buffer_(kPieceBytes) {}

  // What comes next; empty only at the end.
  StatusOr<std::span<const std::byte>> Peek() {
    if (begin_ == end_) {
      KILN_ASSIGN_OR_RETURN(end_, source_(buffer_));
      begin_ = 0;
    }
    return std::span(buffer_).subspan(begin_, end_ - begin_);
  }
  void Skip(size_t count) { begin_ += count; }

  // False if there are not as many.
  StatusOr<bool> Read(std::span<std::byte> out) {
    while (!out.empty()) {
      KILN_ASSIGN_OR_RETURN(const std::span<const std::byte> next, Peek());
      if (next.empty()) return false;
      const size_t count = std::min(next.size(), out.size());
      std::memcpy(out.data(), next.data(), count);
      Skip(count);
      out = out.subspan(count);
    }
    return true;
  }

 private:
  UnpackSource source_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Hands on what was unpacked, as far as it was announced.
class Output {
 public:
  Output(UnpackSink sink, uint64_t announced)
      : sink_(sink), left_(announced), announced_(announced), buffer_(kPieceBytes) {}

  // Where the next bytes go; empty if as many as announced are there.
  std::span<std::byte> Room() { return std::span(buffer_).first(std::min<uint64_t>(left_, buffer_.size())); }
  Status Add(size_t count) {
    left_ -= count;
    return count == 0 ? absl::OkStatus() : sink_(std::span(buffer_).first(count));
  }
  Status Finish() const {
    if (left_ == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kDataLoss, "unpacks to {} bytes instead of {}", announced_ - left_, announced_);
  }

 private:
  UnpackSink sink_;
  uint64_t left_;
  uint64_t announced_;
  std::vector<std::byte> buffer_;
};

Status Inflate(Input& packed, Output output) {
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) std::abort();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, ::inflateEnd);
  for (bool complete = false;;) {
    KILN_ASSIGN_OR_RETURN(const std::span<const std::byte> next, packed.Peek());
    if (next.empty() && complete) return output.Finish();
    if (complete) (void)::inflateReset(&stream);  // a further stream, as linkers that only concatenate leave it
    std::byte none;
    const std::span<std::byte> room = output.Room();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(next.data()));
    stream.avail_in = static_cast<uInt>(next.size());
    stream.next_out = reinterpret_cast<Bytef*>(room.empty() ? &none : room.data());
    stream.avail_out = static_cast<uInt>(room.size());
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    const size_t consumed = next.size() - stream.avail_in;
    const size_t produced = room.size() - stream.avail_out;
    packed.Skip(consumed);
    KILN_RETURN_IF_ERROR(output.Add(produced));
    complete = result == Z_STREAM_END;
    // Z_BUF_ERROR: neither input nor room is left, which the second condition tells, too.
    if ((result != Z_OK && !complete) || (consumed == 0 && produced == 0)) return Damaged("zlib");
  }
}

Status Unzstd(Input& packed, Output output) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(::ZSTD_createDCtx(), ::ZSTD_freeDCtx);
  if (context == nullptr) std::abort();
  constexpr int kWindowLog = std::countr_zero(kMaxUnpackWindowBytes);
  (void)::ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);
  for (size_t rest = 1;;) {
    KILN_ASSIGN_OR_RETURN(const std::span<const std::byte> next, packed.Peek());
    if (next.empty() && rest == 0) return output.Finish();
    ZSTD_inBuffer in{.src = next.data(), .size = next.size(), .pos = 0};
    const std::span<std::byte> room = output.Room();
    ZSTD_outBuffer out{.dst = room.data(), .size = room.size(), .pos = 0};
    rest = ::ZSTD_decompressStream(context.get(), &out, &in);
    if (::ZSTD_isError(rest) != 0) {
      return Error(absl::StatusCode::kDataLoss, "Zstandard: {}", ::ZSTD_getErrorName(rest));
    }
    packed.Skip(in.pos);
    KILN_RETURN_IF_ERROR(output.Add(out.pos));
    if (out.pos == 0 && in.pos == 0 && rest != 0) return Damaged("Zstandard");
  }
}

Status CheckSize(uint64_t announced, uint64_t limit_bytes) {
  if (announced <= limit_bytes) return absl::OkStatus();
  return Error(absl::StatusCode::kResourceExhausted, "unpacks to {} bytes; the limit is {}", announced, limit_bytes);
}

// A piece of memory as a source, and a vector as a sink that has never more room than what is there may still need:
// half as much again.
template <typename Unpack>
StatusOr<std::vector<std::byte>> InMemory(Unpack unpack, std::span<const std::byte> packed, uint64_t limit_bytes) {
  const auto source = [&packed](std::span<std::byte> out) -> StatusOr<size_t> {
    const size_t count = std::min(out.size(), packed.size());
    std::copy_n(packed.begin(), count, out.begin());
    packed = packed.subspan(count);
    return count;
  };
  std::vector<std::byte> bytes;
  const auto sink = [&bytes](std::span<const std::byte> more) {
    const size_t needed = bytes.size() + more.size();
    if (needed > bytes.capacity()) bytes.reserve(std::max(needed, bytes.size() + bytes.size() / 2));
    bytes.insert(bytes.end(), more.begin(), more.end());
    return absl::OkStatus();
  };
  KILN_RETURN_IF_ERROR(unpack(UnpackSource(source), limit_bytes, UnpackSink(sink)));
  return bytes;
}

}  // namespace

Status UnpackSection(UnpackSource source, uint64_t limit_bytes, UnpackSink sink) {
  Input packed(source);
  Elf64_Chdr header;
  KILN_ASSIGN_OR_RETURN(const bool has_header, packed.Read(std::as_writable_bytes(std::span(&header, 1))));
  if (!has_header) return Error(absl::StatusCode::kDataLoss, "the compression header is cut");
  if (header.ch_type != ELFCOMPRESS_ZLIB && header.ch_type != ELFCOMPRESS_ZSTD) {
    return Error(absl::StatusCode::kUnimplemented, "compressed by method {}", header.ch_type);
  }
  KILN_RETURN_IF_ERROR(CheckSize(header.ch_size, limit_bytes));
  Output output(sink, header.ch_size);
  return header.ch_type == ELFCOMPRESS_ZLIB ? Inflate(packed, std::move(output)) : Unzstd(packed, std::move(output));
}

Status UnpackGnuSection(UnpackSource source, uint64_t limit_bytes, UnpackSink sink) {
  Input packed(source);
  std::array<std::byte, 4> magic;
  uint64_t size = 0;
  KILN_ASSIGN_OR_RETURN(const bool has_magic, packed.Read(magic));
  KILN_ASSIGN_OR_RETURN(const bool has_size, packed.Read(std::as_writable_bytes(std::span(&size, 1))));
  if (!has_magic || AsText(magic) != "ZLIB" || !has_size) {
    return Error(absl::StatusCode::kDataLoss, "the header of the compressed section is cut or none");
  }
  size = __builtin_bswap64(size);
  KILN_RETURN_IF_ERROR(CheckSize(size, limit_bytes));
  return Inflate(packed, Output(sink, size));
}

StatusOr<std::vector<std::byte>> UnpackSection(std::span<const std::byte> packed, uint64_t limit_bytes) {
  return InMemory([](auto&&... all) { return UnpackSection(all...); }, packed, limit_bytes);
}

StatusOr<std::vector<std::byte>> UnpackGnuSection(std::span<const std::byte> packed, uint64_t limit_bytes) {
  return InMemory([](auto&&... all) { return UnpackGnuSection(all...); }, packed, limit_bytes);
}

}  // namespace kiln::symbolizer
