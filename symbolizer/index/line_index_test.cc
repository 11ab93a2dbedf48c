// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/index/line_index.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <functional>

#include "base/fd.h"
#include "symbolizer/index/line_index_writer.h"

namespace kiln::symbolizer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Of the file, in numbers of 64 bits: tables are aligned.
using Image = std::vector<uint64_t>;

Image Write(LineIndexWriter& writer) {
  const UniqueFd fd(::memfd_create("index", MFD_CLOEXEC));
  EXPECT_TRUE(writer.Finish(fd.get(), {.units = 3, .damaged_units = 1}).ok());
  Image image(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)) / 8);
  EXPECT_EQ(::pread(fd.get(), image.data(), image.size() * 8, 0), static_cast<ssize_t>(image.size() * 8));
  return image;
}

StatusOr<LineIndex> Open(const Image& image) { return LineIndex::FromBytes(std::as_bytes(std::span(image))); }

// "function@file:line:column" for each line, innermost first.
std::vector<std::string> At(const LineIndex& index, uint64_t address) {
  std::vector<LineIndex::Line> lines;
  index.Lookup(ElfAddress(address), lines);
  std::vector<std::string> texts;
  for (const auto& line : lines) {
    texts.push_back(fmt::format("{}@{}:{}:{}", line.function, line.file, line.line, line.column));
  }
  return texts;
}

class LineIndexTest : public ::testing::Test {
 protected:
  uint32_t Node(std::string_view function, std::string_view file, uint32_t parent = kNoNode) {
    return writer_.AddNode({.function = writer_.AddFunction(function, false, 1),
                            .parent = parent,
                            .file = writer_.AddFile(file),
                            .call_file = parent == kNoNode ? 0 : writer_.AddFile("caller.cc"),
                            .call_line = parent == kNoNode ? 0u : 50u,
                            .call_column = parent == kNoNode ? 0u : 6u});
  }
  void Piece(uint64_t start, uint64_t end, uint32_t node, uint32_t line, bool has_function = true) {
    writer_.AddPiece(std::vector{LineInterval{.start = start, .node = node, .line = line, .column = 2}}, end,
                     has_function);
  }

  LineIndexWriter writer_ = *LineIndexWriter::Create("");
};

TEST_F(LineIndexTest, FindsFunctionAndLine) {
  const uint32_t node = Node("f", "f.cc");
  writer_.AddPiece(std::vector{LineInterval{.start = 0x1000, .node = node, .line = 10, .column = 1},
                               LineInterval{.start = 0x1004, .node = node, .line = 11, .column = 2}},
                   0x1010, true);
  const Image image = Write(writer_);
  const auto index = Open(image);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(At(*index, 0xfff), IsEmpty());
  EXPECT_THAT(At(*index, 0x1000), ElementsAre("f@f.cc:10:1"));
  EXPECT_THAT(At(*index, 0x1003), ElementsAre("f@f.cc:10:1"));
  EXPECT_THAT(At(*index, 0x1004), ElementsAre("f@f.cc:11:2"));
  EXPECT_THAT(At(*index, 0x100f), ElementsAre("f@f.cc:11:2"));
  EXPECT_THAT(At(*index, 0x1010), IsEmpty());
  EXPECT_THAT(At(*index, UINT64_MAX), IsEmpty());
  EXPECT_EQ(index->header().units, 3u);
  EXPECT_EQ(index->header().damaged_units, 1u);
}

TEST_F(LineIndexTest, GivesInlinedFunctionsInnermostFirst) {
  const uint32_t outer = Node("outer", "outer.cc");
  const uint32_t middle = Node("middle", "middle.h", outer);
  const uint32_t inner = Node("inner", "inner.h", middle);
  Piece(0x1000, 0x1010, inner, 9);
  const Image image = Write(writer_);
  EXPECT_THAT(At(*Open(image), 0x1008),
              ElementsAre("inner@inner.h:9:2", "middle@caller.cc:50:6", "outer@caller.cc:50:6"));
}

TEST_F(LineIndexTest, TellsLinkageNamesAndFirstLines) {
  const uint32_t node = writer_.AddNode({.function = writer_.AddFunction("_Z1fv", true, 77), .parent = kNoNode});
  Piece(0x1000, 0x1010, node, 1);
  const Image image = Write(writer_);
  std::vector<LineIndex::Line> lines;
  const auto index = Open(image);
  index->Lookup(ElfAddress(0x1000), lines);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].is_linkage_name);
  EXPECT_EQ(lines[0].start_line, 77u);
}

TEST_F(LineIndexTest, LeavesGapsEmptyHoweverLarge) {
  const uint32_t node = Node("f", "f.cc");
  constexpr uint64_t kFar = 0x7fff'0000'0000;
  Piece(kFar, kFar + 0x10, node, 3);
  Piece(0x1000, 0x1010, node, 1);
  Piece(0x1100, 0x1110, node, 2);
  const Image image = Write(writer_);
  const auto index = Open(image);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->header().areas, 2u);
  EXPECT_THAT(At(*index, 0x1010), IsEmpty());
  EXPECT_THAT(At(*index, 0x10ff), IsEmpty());
  EXPECT_THAT(At(*index, 0x1100), ElementsAre("f@f.cc:2:2"));
  EXPECT_THAT(At(*index, 0x123456789), IsEmpty());
  EXPECT_THAT(At(*index, kFar + 0xf), ElementsAre("f@f.cc:3:2"));
  EXPECT_LT(index->bytes(), 4096u);
}

TEST_F(LineIndexTest, GivesOverlapsToWhatStartsFirst) {
  const uint32_t first = Node("first", "f.cc");
  const uint32_t second = Node("second", "s.cc");
  Piece(0x1008, 0x1020, second, 2);
  Piece(0x1000, 0x1010, first, 1);
  Piece(0x1004, 0x1006, second, 3);
  const Image image = Write(writer_);
  const auto index = Open(image);
  EXPECT_THAT(At(*index, 0x1005), ElementsAre("first@f.cc:1:2"));
  EXPECT_THAT(At(*index, 0x100f), ElementsAre("first@f.cc:1:2"));
  EXPECT_THAT(At(*index, 0x1010), ElementsAre("second@s.cc:2:2"));
  EXPECT_THAT(At(*index, 0x1020), IsEmpty());
}

TEST_F(LineIndexTest, PrefersPiecesWithFunctions) {
  const uint32_t lines = writer_.AddNode({.function = kNoNode, .parent = kNoNode, .file = writer_.AddFile("f.cc")});
  Piece(0x1000, 0x1010, lines, 1, false);
  Piece(0x1000, 0x1010, Node("f", "f.cc"), 1);
  const Image image = Write(writer_);
  EXPECT_THAT(At(*Open(image), 0x1000), ElementsAre("f@f.cc:1:2"));
}

TEST_F(LineIndexTest, AgreesWithTheIntervalsAcrossBuckets) {
  const uint32_t node = Node("f", "f.cc");
  std::vector<LineInterval> intervals;
  uint64_t at = 0x1003;
  for (uint32_t i = 1; i < 2000; ++i) {
    intervals.push_back({.start = at, .node = node, .line = i, .column = static_cast<uint16_t>(i % 7)});
    at += 1 + (i * 37) % 400;  // longer and shorter than a bucket
  }
  writer_.AddPiece(intervals, at, true);
  const Image image = Write(writer_);
  const auto index = Open(image);
  std::vector<LineIndex::Line> lines;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const uint64_t end = i + 1 < intervals.size() ? intervals[i + 1].start : at;
    for (const uint64_t address : {intervals[i].start, end - 1}) {
      index->Lookup(ElfAddress(address), lines);
      ASSERT_EQ(lines.size(), 1u) << address;
      ASSERT_EQ(lines[0].line, intervals[i].line) << address;
      ASSERT_EQ(lines[0].column, intervals[i].column) << address;
    }
  }
}

TEST_F(LineIndexTest, IsReadableWithoutAnyCode) {
  const Image image = Write(writer_);
  const auto index = Open(image);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(At(*index, 0x1000), IsEmpty());
}

TEST_F(LineIndexTest, CutsLongTexts) {
  Piece(0x1000, 0x1010, Node(std::string(1 << 20, 'x'), "f.cc"), 1);
  const Image image = Write(writer_);
  EXPECT_EQ(At(*Open(image), 0x1000).at(0).find('@'), kMaxIndexedTextBytes);
}

TEST_F(LineIndexTest, DropsPiecesThatCannotBeCode) {
  Piece(0x1000, 0x1000 + (uint64_t{3} << 31), Node("f", "f.cc"), 1);
  const Image image = Write(writer_);
  const auto index = Open(image);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->header().dropped_ranges, 1u);
  EXPECT_EQ(index->header().intervals, 0u);
}

// What is wrong in a file whose checksums are right.
class HostileLineIndexTest : public LineIndexTest {
 protected:
  HostileLineIndexTest() {
    const uint32_t outer = Node("outer", "outer.cc");
    Piece(0x1000, 0x1100, Node("inner", "inner.h", outer), 9);
    image_ = Write(writer_);
    std::memcpy(&header_, image_.data(), sizeof(header_));
  }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(image_.data()); }
  // Where the tables begin.
  size_t Places() const { return Starts() + Padded(header_.intervals * 4); }
  size_t Buckets() const { return sizeof(header_) + header_.areas * sizeof(LineIndexArea); }
  size_t Starts() const { return Buckets() + Padded(header_.buckets * 4); }
  size_t Nodes() const {
    return Places() + Padded(header_.intervals * sizeof(LineIndexPlace)) + Padded(header_.intervals * 2);
  }
  size_t Functions() const { return Nodes() + Padded(header_.nodes * sizeof(LineIndexNode)); }
  size_t Files() const { return Functions() + Padded(header_.functions * sizeof(LineIndexFunction)); }
  static size_t Padded(size_t size) { return (size + 7) / 8 * 8; }

  template <typename T>
  void Patch(size_t at, const std::function<void(T&)>& patch) {
    T value;
    std::memcpy(&value, bytes() + at, sizeof(T));
    patch(value);
    std::memcpy(bytes() + at, &value, sizeof(T));
  }
  StatusOr<LineIndex> OpenPatched() {
    Patch<LineIndexHeader>(0, [&](LineIndexHeader& header) {
      header.checksum = ::XXH3_64bits(bytes() + sizeof(header), image_.size() * 8 - sizeof(header));
      header.header_checksum = 0;
      header.header_checksum = ::XXH3_64bits(&header, sizeof(header));
    });
    return Open(image_);
  }
  absl::StatusCode Code() { return OpenPatched().status().code(); }
  std::vector<std::string> Patched(uint64_t address = 0x1000) {
    const auto index = OpenPatched();
    EXPECT_TRUE(index.ok()) << index.status();
    return index.ok() ? At(*index, address) : std::vector<std::string>{"not opened"};
  }

  Image image_;
  LineIndexHeader header_;
};

TEST_F(HostileLineIndexTest, RefusesWrongChecksums) {
  for (size_t word = 0; word < image_.size(); ++word) {
    Image flipped = image_;
    flipped[word] ^= uint64_t{1} << (word % 64);
    EXPECT_FALSE(Open(flipped).ok()) << word;
  }
}

TEST_F(HostileLineIndexTest, RefusesOtherVersions) {
  Patch<LineIndexHeader>(0, [](LineIndexHeader& header) { ++header.version; });
  EXPECT_EQ(Code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(HostileLineIndexTest, RefusesCutFiles) {
  for (size_t size = 0; size < image_.size(); ++size) {
    const Image cut(image_.begin(), image_.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(Open(cut).status().code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST_F(HostileLineIndexTest, RefusesTablesBeyondTheEnd) {
  using Header = LineIndexHeader;
  const std::vector<std::function<void(Header&)>> patches = {
      [](Header& header) { header.areas = UINT32_MAX; },        [](Header& header) { header.buckets = UINT64_MAX; },
      [](Header& header) { header.intervals = UINT32_MAX; },    [](Header& header) { header.nodes = UINT32_MAX; },
      [](Header& header) { header.functions = UINT32_MAX; },    [](Header& header) { header.files = UINT32_MAX; },
      [](Header& header) { header.string_bytes = UINT64_MAX; }, [](Header& header) { header.bucket_shift = 64; }};
  const Image whole = image_;
  for (size_t i = 0; i < patches.size(); ++i) {
    image_ = whole;
    Patch<Header>(0, patches[i]);
    EXPECT_EQ(Code(), absl::StatusCode::kDataLoss) << i;
  }
}

TEST_F(HostileLineIndexTest, RefusesAreasThatContradictEachOther) {
  using Area = LineIndexArea;
  const std::vector<std::function<void(Area&)>> patches = {[](Area& area) { area.end = area.start; },
                                                           [](Area& area) { area.end = UINT64_MAX; },
                                                           [](Area& area) { area.intervals = UINT32_MAX; },
                                                           [](Area& area) { area.intervals = 0; },
                                                           [](Area& area) { area.first_interval = UINT32_MAX; },
                                                           [](Area& area) { area.first_bucket = UINT64_MAX; }};
  const Image whole = image_;
  for (size_t i = 0; i < patches.size(); ++i) {
    image_ = whole;
    Patch<Area>(sizeof(LineIndexHeader), patches[i]);
    EXPECT_EQ(Code(), absl::StatusCode::kDataLoss) << i;
  }
}

TEST_F(HostileLineIndexTest, FindsNothingByWrongBuckets) {
  Patch<uint32_t>(Buckets(), [](uint32_t& bucket) { bucket = UINT32_MAX; });
  EXPECT_THAT(Patched(), IsEmpty());
}

TEST_F(HostileLineIndexTest, FindsNothingByWrongNodes) {
  Patch<LineIndexPlace>(Places(), [](LineIndexPlace& place) { place.node = 2; });
  EXPECT_THAT(Patched(), IsEmpty());
}

TEST_F(HostileLineIndexTest, EndsCirclesOfParents) {
  Patch<LineIndexNode>(Nodes(), [](LineIndexNode& node) { node.parent = 1; });
  Patch<LineIndexNode>(Nodes() + sizeof(LineIndexNode), [](LineIndexNode& node) { node.parent = 1; });
  EXPECT_THAT(Patched(), ElementsAre("inner@inner.h:9:2"));
}

TEST_F(HostileLineIndexTest, NamesNothingByWrongFunctionsFilesAndTexts) {
  Patch<LineIndexNode>(Nodes() + sizeof(LineIndexNode), [](LineIndexNode& node) { node.function = 1000; });
  EXPECT_THAT(Patched(), ElementsAre("@inner.h:9:2", "outer@caller.cc:50:6"));
  Patch<LineIndexNode>(Nodes() + sizeof(LineIndexNode), [](LineIndexNode& node) { node.file = UINT32_MAX; });
  EXPECT_THAT(Patched(), ElementsAre("@:9:2", "outer@caller.cc:50:6"));
  Patch<LineIndexFunction>(Functions(), [](LineIndexFunction& function) { function.name.offset = UINT32_MAX; });
  EXPECT_THAT(Patched(), ElementsAre("@:9:2", "@caller.cc:50:6"));
  for (uint32_t file = 0; file < header_.files; ++file) {
    Patch<LineIndexText>(Files() + file * sizeof(LineIndexText), [](LineIndexText& text) { text.bytes = UINT32_MAX; });
  }
  EXPECT_THAT(Patched(), ElementsAre("@:9:2", "@:50:6"));
}

TEST_F(HostileLineIndexTest, BoundsChainsOfParents) {
  LineIndexWriter writer = *LineIndexWriter::Create("");
  uint32_t node = kNoNode;
  for (int i = 0; i < 100'000; ++i) {
    node = writer.AddNode({.function = writer.AddFunction("f", false, 0), .parent = node});
  }
  writer.AddPiece(std::vector{LineInterval{.start = 0x1000, .node = node, .line = 1, .column = 0}}, 0x1010, true);
  const Image image = Write(writer);
  EXPECT_LT(At(*Open(image), 0x1000).size(), 10'000u);
}

}  // namespace
}  // namespace kiln::symbolizer
