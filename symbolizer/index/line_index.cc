// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/line_index.h"

#include <sys/mman.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace kiln::symbolizer {
namespace {

constexpr uint32_t kMaxBucketShift = 20;
// Inlined into each other. A file of another maker could have longer ones, each of which costs time.
constexpr int kMaxInlineDepth = 512;

Status Damaged(std::string_view what) { return Error(absl::StatusCode::kDataLoss, "line index: {}", what); }

Status CheckHeader(const LineIndexHeader& header, uint64_t size) {
  if (std::memcmp(header.magic, kLineIndexMagic, sizeof(header.magic)) != 0) {
    return Damaged("the file is something else");
  }
  if (header.version != kLineIndexVersion || header.header_bytes != sizeof(header)) {
    return Error(absl::StatusCode::kFailedPrecondition, "line index of version {}; this kiln reads {}", header.version,
                 kLineIndexVersion);
  }
  LineIndexHeader copy = header;
  copy.header_checksum = 0;
  if (::XXH3_64bits(&copy, sizeof(copy)) != header.header_checksum) return Damaged("wrong checksum of the header");
  if (header.file_bytes != size) return Damaged("cut");
  if (header.bucket_shift > kMaxBucketShift) return Damaged("impossible numbers");
  return absl::OkStatus();
}

// Takes `count` members from the front of `bytes`, and what fills up to a multiple of 8.
template <typename T>
bool TakeTable(std::span<const std::byte>& bytes, uint64_t count, std::span<const T>& table) {
  if (count > bytes.size() / sizeof(T)) return false;
  table = std::span(reinterpret_cast<const T*>(bytes.data()), count);
  const uint64_t taken = count * sizeof(T);
  bytes = bytes.subspan(std::min<uint64_t>(bytes.size(), taken + -taken % 8));
  return true;
}

// By pread: a mapped read would leave the whole file in this process's memory.
StatusOr<uint64_t> ChecksumOf(const File& file) {
  const std::unique_ptr<XXH3_state_t, decltype(&::XXH3_freeState)> hash(::XXH3_createState(), &::XXH3_freeState);
  ::XXH3_64bits_reset(hash.get());
  std::vector<std::byte> buffer(256 << 10);
  for (uint64_t at = sizeof(LineIndexHeader); at < file.size(); at += buffer.size()) {
    const auto piece = std::span(buffer).first(std::min<uint64_t>(buffer.size(), file.size() - at));
    KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(at), piece));
    ::XXH3_64bits_update(hash.get(), piece.data(), piece.size());
  }
  return ::XXH3_64bits_digest(hash.get());
}

}  // namespace

void LineIndex::Unmap::operator()(const std::byte* at) const { ::munmap(const_cast<std::byte*>(at), bytes); }

StatusOr<LineIndex> LineIndex::Open(const File& file) {
  LineIndexHeader header;
  if (file.size() < sizeof(header)) return Damaged("cut");
  KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(0), std::as_writable_bytes(std::span(&header, 1))));
  KILN_RETURN_IF_ERROR(CheckHeader(header, file.size()));
  KILN_ASSIGN_OR_RETURN(const uint64_t checksum, ChecksumOf(file));
  if (checksum != header.checksum) return Damaged("wrong checksum");
  void* const at = ::mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (at == MAP_FAILED) return ErrnoError(errno, "cannot map the line index");
  LineIndex index;
  index.mapping_ = {static_cast<const std::byte*>(at), Unmap{file.size()}};
  // Lookups jump around: what lies beside is not looked at next.
  ::madvise(at, file.size(), MADV_RANDOM);
  KILN_RETURN_IF_ERROR(index.Check({static_cast<const std::byte*>(at), file.size()}));
  return index;
}

StatusOr<LineIndex> LineIndex::FromBytes(std::span<const std::byte> bytes) {
  LineIndexHeader header;
  if (bytes.size() < sizeof(header)) return Damaged("cut");
  std::memcpy(&header, bytes.data(), sizeof(header));
  KILN_RETURN_IF_ERROR(CheckHeader(header, bytes.size()));
  const auto rest = bytes.subspan(sizeof(header));
  if (::XXH3_64bits(rest.data(), rest.size()) != header.checksum) return Damaged("wrong checksum");
  LineIndex index;
  KILN_RETURN_IF_ERROR(index.Check(bytes));
  return index;
}

// Only what is looked up later without a check. Numbers within the tables are checked when they are used: they would
// have to be read otherwise, all of them.
Status LineIndex::Check(std::span<const std::byte> bytes) {
  bytes_ = bytes;
  std::memcpy(&header_, bytes.data(), sizeof(header_));
  std::span<const std::byte> rest = bytes.subspan(sizeof(header_));
  if (!TakeTable(rest, header_.areas, areas_) || !TakeTable(rest, header_.buckets, buckets_) ||
      !TakeTable(rest, header_.intervals, starts_) || !TakeTable(rest, header_.intervals, places_) ||
      !TakeTable(rest, header_.intervals, columns_) || !TakeTable(rest, header_.nodes, nodes_) ||
      !TakeTable(rest, header_.functions, functions_) || !TakeTable(rest, header_.files, files_) ||
      !TakeTable(rest, header_.string_bytes, strings_)) {
    return Damaged("tables beyond the end");
  }
  uint64_t before = 0;
  for (const LineIndexArea& area : areas_) {
    const bool good = area.start >= before && area.end > area.start && area.intervals != 0 &&
                      area.first_interval <= starts_.size() && area.intervals <= starts_.size() - area.first_interval &&
                      area.first_bucket <= buckets_.size() &&
                      (area.end - 1 - area.start) >> header_.bucket_shift < buckets_.size() - area.first_bucket;
    if (!good) return Damaged("areas contradict each other");
    before = area.end;
  }
  return absl::OkStatus();
}

void LineIndex::Lookup(ElfAddress address, std::vector<Line>& out) const {
  out.clear();
  const uint64_t value = address.value();
  auto area = std::ranges::upper_bound(areas_, value, {}, &LineIndexArea::start);
  if (area == areas_.begin()) return;
  --area;
  if (value >= area->end) return;
  const auto offset = static_cast<uint32_t>(value - area->start);
  const uint64_t bucket = area->first_bucket + (offset >> header_.bucket_shift);
  const uint32_t limit = area->first_interval + area->intervals;
  const uint32_t first = buckets_[bucket];
  // Where the next bucket begins, its interval may cover the end of this one.
  uint32_t last = bucket + 1 < buckets_.size() ? buckets_[bucket + 1] : limit;
  last = last < limit ? last + 1 : limit;
  if (first < area->first_interval || first >= last) return;
  const auto after = std::upper_bound(starts_.begin() + first, starts_.begin() + last, offset);
  if (after == starts_.begin() + first) return;
  const auto interval = static_cast<size_t>(after - starts_.begin()) - 1;

  uint32_t node = places_[interval].node;
  uint32_t line = places_[interval].line;
  uint32_t column = columns_[interval];
  uint32_t file = 0;
  bool innermost = true;
  for (int depth = 0; node < nodes_.size() && depth < kMaxInlineDepth; ++depth) {
    const LineIndexNode& at = nodes_[node];
    const bool known = at.function < functions_.size();
    const uint32_t start_line = known ? functions_[at.function].start_line : 0;
    out.push_back({.function = known ? Text(functions_[at.function].name) : "",
                   .is_linkage_name = (start_line & kLinkageNameBit) != 0,
                   .start_line = start_line & ~kLinkageNameBit,
                   .file = FilePath(innermost ? at.file : file),
                   .line = line,
                   .column = column});
    innermost = false;
    // Parents have smaller numbers: there is no circle.
    if (at.parent >= node) break;
    file = at.call_file;
    line = at.call_line;
    column = at.call_column;
    node = at.parent;
  }
}

}  // namespace kiln::symbolizer
