// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/line_index_writer.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace kiln::symbolizer {
namespace {

// A gap from which on a new area begins: the table of buckets has no holes, so a file whose code is strewn over the
// addresses must not make it large.
constexpr uint64_t kMaxGapBytes = 64 << 10;
constexpr uint64_t kMaxAreaBytes = uint64_t{1} << 31;
// 128 bytes of code have some twelve intervals.
constexpr uint32_t kBucketShift = 7;

uint64_t Padding(uint64_t bytes) { return -bytes % 8; }

}  // namespace

// Writes sections one after the other, and their checksum.
class LineIndexWriter::Output {
 public:
  explicit Output(int fd) : fd_(fd), hash_(::XXH3_createState()) {
    ::XXH3_64bits_reset(hash_);
    std::vector<std::byte> room(sizeof(LineIndexHeader));
    buffer_ = std::move(room);
  }
  ~Output() { ::XXH3_freeState(hash_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Write(std::span<const std::byte> bytes) {
    // In pieces: a section may have gigabytes.
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kBufferBytes));
      ::XXH3_64bits_update(hash_, piece.data(), piece.size());
      buffer_.insert(buffer_.end(), piece.begin(), piece.end());
      section_ += piece.size();
      bytes = bytes.subspan(piece.size());
      if (buffer_.size() >= kBufferBytes) Flush();
    }
  }
  template <typename T>
  void WriteOne(const T& value) {
    Write(std::as_bytes(std::span(&value, 1)));
  }
  void EndSection() {
    static constexpr std::byte kZeros[8] = {};
    Write(std::span(kZeros, Padding(section_)));
    section_ = 0;
  }

  Status Finish(LineIndexHeader header) {
    Flush();
    header.file_bytes = written_;
    header.checksum = ::XXH3_64bits_digest(hash_);
    header.header_checksum = 0;
    header.header_checksum = ::XXH3_64bits(&header, sizeof(header));
    if (status_.ok() && ::pwrite(fd_, &header, sizeof(header), 0) != sizeof(header)) {
      status_ = ErrnoError(errno, "cannot write the line index");
    }
    return status_;
  }

 private:
  static constexpr size_t kBufferBytes = 1 << 20;

  void Flush() {
    for (size_t done = 0; done < buffer_.size() && status_.ok();) {
      const ssize_t written = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        status_ = ErrnoError(errno, "cannot write the line index");
      } else {
        done += static_cast<size_t>(written);
      }
    }
    written_ += buffer_.size();
    buffer_.clear();
  }

  const int fd_;
  XXH3_state_t* hash_;
  std::vector<std::byte> buffer_;
  uint64_t written_ = 0;
  uint64_t section_ = 0;
  Status status_;
};

StatusOr<LineIndexWriter> LineIndexWriter::Create(const std::string& scratch_folder) {
  KILN_ASSIGN_OR_RETURN(ScratchFile records, ScratchFile::Create(scratch_folder));
  KILN_ASSIGN_OR_RETURN(ScratchFile nodes, ScratchFile::Create(scratch_folder));
  return LineIndexWriter(std::move(records), std::move(nodes));
}

uint32_t LineIndexWriter::AddString(std::string_view text) {
  if (text.empty()) return 0;
  text = text.substr(0, kMaxIndexedTextBytes);
  const uint64_t hash = ::XXH3_64bits(text.data(), text.size());
  const auto [entry, added] = string_of_hash_.try_emplace(hash, 0);
  if (!added && strings_.At(entry->second) == text) return entry->second;
  const uint32_t offset = strings_.Add(text);
  if (added) entry->second = offset;
  return offset;
}

LineIndexText LineIndexWriter::TextAt(uint32_t offset) const {
  return {.offset = offset, .bytes = static_cast<uint32_t>(strings_.At(offset).size())};
}

uint32_t LineIndexWriter::AddFile(std::string_view path) {
  const uint32_t text = AddString(path);
  if (text == 0) return 0;
  const auto [entry, added] = file_of_string_.try_emplace(text, static_cast<uint32_t>(files_.size()));
  if (added) files_.push_back(TextAt(text));
  return entry->second;
}

uint32_t LineIndexWriter::AddFunction(std::string_view name, bool is_linkage, uint32_t start_line) {
  const uint32_t text = AddString(name);
  start_line = (start_line & ~kLinkageNameBit) | (is_linkage ? kLinkageNameBit : 0);
  const auto [entry, added] =
      function_of_.try_emplace(std::pair(text, start_line), static_cast<uint32_t>(functions_.size()));
  if (added) functions_.push_back({.name = TextAt(text), .start_line = start_line});
  return entry->second;
}

uint32_t LineIndexWriter::AddNode(const LineIndexNode& node) {
  if (node_count_ >= kMaxLineNodes) {
    overflow_ = true;
    return 0;
  }
  nodes_.Append(node);
  return static_cast<uint32_t>(node_count_++);
}

void LineIndexWriter::AddPiece(std::span<const LineInterval> intervals, uint64_t end, bool has_function) {
  if (intervals.empty() || end <= intervals.front().start) return;
  // Longer pieces are no code, and 32-bit offsets would not reach.
  if (end - intervals.front().start > kMaxAreaBytes) {
    ++dropped_pieces_;
    return;
  }
  if (interval_count_ + intervals.size() > kMaxLineIntervals) {
    overflow_ = true;
    return;
  }
  const uint64_t start = intervals.front().start;
  pieces_.push_back({.start = start,
                     .end = end,
                     .first_record = interval_count_,
                     .records = static_cast<uint32_t>(intervals.size()),
                     .has_function = has_function});
  for (const LineInterval& interval : intervals) {
    records_.Append(Record{.offset = static_cast<uint32_t>(interval.start - start),
                           .node = interval.node,
                           .line = interval.line,
                           .column = interval.column,
                           .unused = 0});
  }
  interval_count_ += intervals.size();
}

void LineIndexWriter::ResolveOverlaps() {
  std::ranges::sort(pieces_, [](const Piece& a, const Piece& b) {
    return std::tuple(a.start, !a.has_function, a.first_record) < std::tuple(b.start, !b.has_function, b.first_record);
  });
  // Each piece begins where those before it end; its records still count from its old start.
  uint64_t covered = 0;
  std::erase_if(pieces_, [&](const Piece& piece) {
    if (piece.end <= covered) return true;
    covered = piece.end;
    return false;
  });
}

template <typename Visit, typename Area>
void LineIndexWriter::VisitIntervals(std::span<const Record> records, Visit visit, Area area) const {
  uint64_t covered = 0;  // up to here, in the area that has begun
  uint64_t area_start = 0;
  bool first = true;
  for (const Piece& piece : pieces_) {
    const uint64_t start = std::max(piece.start, covered);
    if (first || start - covered > kMaxGapBytes || piece.end - area_start > kMaxAreaBytes) {
      if (!first) visit(covered, nullptr);
      area(start);
      area_start = start;
    } else if (start > covered) {
      visit(covered, nullptr);
    }
    first = false;
    const auto of_piece = records.subspan(piece.first_record, piece.records);
    for (size_t i = 0; i < of_piece.size(); ++i) {
      const uint64_t end = i + 1 < of_piece.size() ? piece.start + of_piece[i + 1].offset : piece.end;
      if (end > start) visit(std::max(start, piece.start + of_piece[i].offset), &of_piece[i]);
    }
    covered = piece.end;
  }
  if (!first) visit(covered, nullptr);
}

Status LineIndexWriter::Finish(int fd, const Facts& facts) {
  if (overflow_) return Error(absl::StatusCode::kResourceExhausted, "more code than a line index can hold");
  ResolveOverlaps();
  KILN_ASSIGN_OR_RETURN(const std::span<const std::byte> record_bytes, records_.Finish());
  KILN_ASSIGN_OR_RETURN(const std::span<const std::byte> node_bytes, nodes_.Finish());
  const std::span records(reinterpret_cast<const Record*>(record_bytes.data()), interval_count_);

  std::vector<LineIndexArea> areas;
  std::vector<uint32_t> buckets;
  std::vector<uint32_t> starts;
  const auto end_area = [&](uint64_t end) {
    if (areas.empty()) return;
    areas.back().end = end;
    areas.back().intervals = static_cast<uint32_t>(starts.size()) - areas.back().first_interval;
  };
  uint64_t last_start = 0;
  VisitIntervals(
      records,
      [&](uint64_t start, const Record* record) {
        last_start = start;
        const uint64_t offset = start - areas.back().start;
        // A bucket names the interval that covers its first byte.
        const auto index = static_cast<uint32_t>(starts.size());
        const uint64_t first = areas.back().first_bucket;
        while (((buckets.size() - first) << kBucketShift) < offset) buckets.push_back(index - 1);
        if (((buckets.size() - first) << kBucketShift) == offset) buckets.push_back(index);
        starts.push_back(static_cast<uint32_t>(offset));
      },
      [&](uint64_t start) {
        end_area(last_start);
        areas.push_back(
            {.start = start, .first_interval = static_cast<uint32_t>(starts.size()), .first_bucket = buckets.size()});
      });
  end_area(last_start);

  Output output(fd);
  output.Write(std::as_bytes(std::span(areas)));
  output.EndSection();
  output.Write(std::as_bytes(std::span(buckets)));
  output.EndSection();
  output.Write(std::as_bytes(std::span(starts)));
  output.EndSection();
  const auto no_area = [](uint64_t) {};
  VisitIntervals(
      records,
      [&](uint64_t, const Record* record) {
        output.WriteOne(record == nullptr ? LineIndexPlace{.node = kNoNode, .line = 0}
                                          : LineIndexPlace{.node = record->node, .line = record->line});
      },
      no_area);
  output.EndSection();
  records_.Drop();
  VisitIntervals(
      records,
      [&](uint64_t, const Record* record) { output.WriteOne(record == nullptr ? uint16_t{0} : record->column); },
      no_area);
  output.EndSection();
  output.Write(node_bytes);
  output.EndSection();
  output.Write(std::as_bytes(std::span(functions_)));
  output.EndSection();
  output.Write(std::as_bytes(std::span(files_)));
  output.EndSection();
  const std::string_view text = strings_.bytes();
  output.Write(std::as_bytes(std::span(text)));
  output.EndSection();

  LineIndexHeader header{.version = kLineIndexVersion,
                         .header_bytes = sizeof(LineIndexHeader),
                         .areas = static_cast<uint32_t>(areas.size()),
                         .bucket_shift = kBucketShift,
                         .buckets = buckets.size(),
                         .intervals = static_cast<uint32_t>(starts.size()),
                         .nodes = static_cast<uint32_t>(node_count_),
                         .functions = static_cast<uint32_t>(functions_.size()),
                         .files = static_cast<uint32_t>(files_.size()),
                         .string_bytes = text.size(),
                         .debug_bytes = facts.debug_bytes,
                         .units = facts.units,
                         .damaged_units = facts.damaged_units,
                         .missing_units = facts.missing_units,
                         .dropped_ranges = facts.dropped_ranges + dropped_pieces_};
  std::memcpy(header.magic, kLineIndexMagic, sizeof(header.magic));
  return output.Finish(header);
}

}  // namespace kiln::symbolizer
