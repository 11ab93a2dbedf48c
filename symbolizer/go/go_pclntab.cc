// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_pclntab.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <span>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

constexpr uint32_t kMagic116 = 0xfffffffa;
constexpr uint32_t kMagic118 = 0xfffffff0;
constexpr uint32_t kMagic120 = 0xfffffff1;
constexpr uint64_t kHeaderBytes = 8 * 9;
constexpr uint64_t kPieceBytes = 64 * 1024;
// For what lies about in the table. Small, since each address leads elsewhere.
constexpr size_t kWindowBytes = 1024;
constexpr size_t kEntryWindowBytes = 2048;
// Entries of the table of functions between two that are kept. They fit into their window.
constexpr size_t kGroup = 64;
// Which of a function's values and data tell of inlining (internal/abi PCDATA_InlTreeIndex, FUNCDATA_InlTree).
constexpr uint32_t kInlinedValue = 2;
constexpr uint32_t kInlineTreeData = 3;
// What is searched for a table without section, and for runtime.goexit.
constexpr uint64_t kMaxSearchedBytes = uint64_t{1} << 30;

Status Damaged(std::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "Go's table of functions: {}", what);
}

struct Prefix {
  uint32_t magic;
  uint8_t zero[2];
  uint8_t code_unit;
  uint8_t pointer_bytes;
};

bool IsPrefix(const Prefix& prefix, uint16_t machine) {
  const bool known = prefix.magic == kMagic116 || prefix.magic == kMagic118 || prefix.magic == kMagic120;
  return known && prefix.zero[0] == 0 && prefix.zero[1] == 0 && prefix.pointer_bytes == 8 &&
         prefix.code_unit == (machine == EM_X86_64 ? 1 : 4);
}

// Calls `visit` with all bytes of a segment's file part, piece by piece, each with its address; pieces overlap by
// `overlap` bytes. Ends early when `visit` returns false.
void VisitBytes(const ElfFile& elf, const ElfFile::Segment& segment, uint64_t overlap, uint64_t& budget,
                const std::function<bool(ElfAddress, std::span<const std::byte>)>& visit) {
  std::vector<std::byte> piece;
  for (uint64_t at = segment.address.value();; at += kPieceBytes) {
    const uint64_t available = elf.BytesFrom(ElfAddress(at));
    piece.resize(std::min({available, kPieceBytes + overlap, budget}));
    if (piece.size() <= overlap || !elf.ReadAddress(ElfAddress(at), piece).ok()) return;
    budget -= piece.size();
    if (!visit(ElfAddress(at), piece) || available <= kPieceBytes + overlap) return;
  }
}

// The header in the data of a program whose sections are stripped or don't name it. Linkers align it to 32 bytes.
std::optional<ElfAddress> SearchHeader(const ElfFile& elf) {
  std::optional<ElfAddress> found;
  uint64_t budget = kMaxSearchedBytes;
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (segment.executable || found) continue;
    VisitBytes(elf, segment, sizeof(Prefix), budget, [&](ElfAddress address, std::span<const std::byte> bytes) {
      for (uint64_t at = -address.value() % 8; at + sizeof(Prefix) <= bytes.size(); at += 8) {
        Prefix prefix;
        std::memcpy(&prefix, bytes.data() + at, sizeof(prefix));
        if (!IsPrefix(prefix, elf.machine())) continue;
        found = ElfAddress(address.value() + at);
        return false;
      }
      return true;
    });
  }
  return found;
}

std::optional<ElfAddress> FindHeader(const ElfFile& elf) {
  for (const std::string_view name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const ElfFile::Section* section = elf.FindSection(name);
    if (section != nullptr) return section->address;
  }
  const bool has_sections = !elf.sections().empty();
  const bool is_go = elf.FindSection(".go.buildinfo") != nullptr || elf.FindSection(".note.go.buildid") != nullptr;
  return has_sections && !is_go ? std::nullopt : SearchHeader(elf);
}

}  // namespace

GoPclntab::GoPclntab(const ElfFile& elf)
    : elf_(&elf),
      entries_(elf, kEntryWindowBytes),
      records_(elf, kWindowBytes),
      names_(elf, kWindowBytes),
      files_(elf, kWindowBytes),
      values_(elf, kWindowBytes) {}

StatusOr<GoPclntab> GoPclntab::Find(const ElfFile& elf) {
  if (elf.machine() != EM_X86_64 && elf.machine() != EM_AARCH64) {
    return Error(absl::StatusCode::kUnimplemented, "Go's table of functions is not read for this machine");
  }
  const std::optional<ElfAddress> header = FindHeader(elf);
  if (!header) return Error(absl::StatusCode::kNotFound, "not a Go program");
  GoPclntab table(elf);
  KILN_RETURN_IF_ERROR(table.Open(*header));
  return table;
}

Status GoPclntab::Open(ElfAddress header) {
  header_ = header;
  bytes_ = elf_->BytesFrom(header);
  Prefix prefix{};
  if (!records_.Read(header, prefix)) return Damaged("not in the file");
  if (!IsPrefix(prefix, elf_->machine())) {
    return Error(absl::StatusCode::kUnimplemented, "Go's table of functions has an unknown layout ({:#x})",
                 prefix.magic);
  }
  layout_ = prefix.magic == kMagic116 ? Layout::kGo116 : prefix.magic == kMagic118 ? Layout::kGo118 : Layout::kGo120;
  code_unit_ = prefix.code_unit;

  // Number of functions, of files; from 1.18 on the start of the text; then five offsets from the header.
  std::array<uint64_t, 8> words{};
  const size_t count = layout_ == Layout::kGo116 ? 7 : 8;
  if (bytes_ < kHeaderBytes || !records_.Read(ElfAddress(header.value() + sizeof(Prefix)),
                                              std::as_writable_bytes(std::span(words).first(count)))) {
    return Damaged("its header is cut");
  }
  const uint64_t* offsets = words.data() + count - 5;
  for (uint64_t* part : {&names_at_, &units_at_, &files_at_, &values_at_, &functions_at_}) {
    *part = *offsets++;
    if (*part >= bytes_) return Damaged("an offset is too large");
  }
  const uint64_t functions = words[0];
  if (functions == 0 || functions > kMaxGoFunctions || functions > (bytes_ - functions_at_) / EntryBytes()) {
    return Damaged("its number of functions can't be");
  }
  size_ = functions;
  if (layout_ != Layout::kGo116) text_ = ElfAddress(words[2]);
  KILN_RETURN_IF_ERROR(ReadGroups());
  if (layout_ != Layout::kGo116 && text_.value() == 0) {
    KILN_ASSIGN_OR_RETURN(text_, FindText());
  }
  KILN_ASSIGN_OR_RETURN(const CodeExtent first, Extent(0));
  if (elf_->ExecutableSegmentContaining(first.begin) == nullptr) return Damaged("its code is no code");
  return absl::OkStatus();
}

Status GoPclntab::ReadGroups() {
  ElfWindow window(*elf_, kPieceBytes);
  uint64_t previous = 0;
  group_starts_.reserve(size_ / kGroup + 1);
  for (size_t i = 0; i <= size_; ++i) {
    const ElfAddress at = At(functions_at_, i * EntryBytes());
    std::array<uint64_t, 2> entry{};  // address and record; the last one is an address alone
    if (layout_ == Layout::kGo116) {
      const size_t words = i == size_ ? 1 : 2;
      if (!window.Read(at, std::as_writable_bytes(std::span(entry).first(words)))) {
        return Damaged("its functions are cut");
      }
      if (i == 0) text_ = ElfAddress(entry[0]);
      entry[0] -= text_.value();
    } else {
      uint32_t code = 0;
      if (!window.Read(at, code)) return Damaged("its functions are cut");
      entry[0] = code;
    }
    const uint64_t code = entry[0];
    if (code < previous || std::ranges::max(entry) > std::numeric_limits<uint32_t>::max()) {
      return Damaged("its functions don't ascend");
    }
    previous = code;
    if (i % kGroup == 0) group_starts_.push_back(static_cast<uint32_t>(code));
  }
  return absl::OkStatus();
}

std::optional<GoPclntab::Entry> GoPclntab::ReadEntry(size_t index) const {
  const ElfAddress at = At(functions_at_, index * EntryBytes());
  const size_t words = index == size_ ? 1 : 2;
  if (layout_ == Layout::kGo116) {
    std::array<uint64_t, 2> entry{};
    if (!entries_.Read(at, std::as_writable_bytes(std::span(entry).first(words)))) return std::nullopt;
    const uint64_t code = entry[0] - text_.value();
    if (code > std::numeric_limits<uint32_t>::max() || entry[1] > std::numeric_limits<uint32_t>::max()) {
      return std::nullopt;
    }
    return Entry{.code = static_cast<uint32_t>(code), .record = static_cast<uint32_t>(entry[1])};
  }
  std::array<uint32_t, 2> entry{};
  if (!entries_.Read(at, std::as_writable_bytes(std::span(entry).first(words)))) return std::nullopt;
  return Entry{.code = entry[0], .record = entry[1]};
}

StatusOr<CodeExtent> GoPclntab::Extent(size_t index) const {
  const std::optional<Entry> begin = ReadEntry(index);
  const std::optional<Entry> end = ReadEntry(index + 1);
  // Also if the addresses wrap around.
  if (!begin || !end || begin->code > end->code || text_.value() + end->code < text_.value()) {
    return Damaged("its functions are cut");
  }
  return CodeExtent{.begin = ElfAddress(text_.value() + begin->code), .end = ElfAddress(text_.value() + end->code)};
}

size_t GoPclntab::IndexOf(ElfAddress address) const {
  const uint64_t offset = address < text_ ? 0 : address.value() - text_.value();
  const auto group = std::ranges::upper_bound(group_starts_, offset);
  if (group == group_starts_.begin()) return 0;
  // The first entry behind the address ends the function that holds it. It is in this group, or begins the next one.
  size_t low = static_cast<size_t>(group - group_starts_.begin() - 1) * kGroup + 1;
  size_t high = std::min(low + kGroup, size_ + 1);
  // The whole group in one read.
  (void)entries_.At(At(functions_at_, (low - 1) * EntryBytes()), (high - low) * EntryBytes());
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const std::optional<Entry> entry = ReadEntry(middle);
    if (!entry) return size_;
    if (entry->code <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::min(low - 1, size_);
}

// Behind the entry's address (8 bytes in 1.16, 4 later).
ElfAddress GoPclntab::RecordBody(const Entry& entry) const {
  return At(functions_at_, uint64_t{entry.record} + (layout_ == Layout::kGo116 ? 8 : 4));
}

StatusOr<GoFunction> GoPclntab::Read(size_t index) const {
  KILN_ASSIGN_OR_RETURN(const CodeExtent extent, Extent(index));
  const std::optional<Entry> entry = ReadEntry(index);
  if (!entry) return Damaged("its functions are cut");
  // _func: name, arguments, deferreturn, pcsp, pcfile, pcln, npcdata, cuOffset, (1.20: startLine), then funcID, flag
  // (reserved and 0 in 1.16), a spare byte, nfuncdata. Behind them: npcdata offsets, nfuncdata offsets.
  const ElfAddress body = RecordBody(*entry);
  std::array<uint32_t, 10> words{};
  const size_t count = layout_ == Layout::kGo120 ? 10 : 9;
  if (!records_.Read(body, std::as_writable_bytes(std::span(words).first(count)))) return Damaged("a function is cut");
  const uint32_t last = words[count - 1];
  const uint32_t flags = last >> 8 & 0xff;
  GoFunction function{.extent = extent,
                      .name = words[0],
                      .top_frame = (flags & 1) != 0,
                      .writes_sp = (flags & 2) != 0,
                      .assembly = (flags & 4) != 0,
                      .start_line = layout_ == Layout::kGo120 ? static_cast<int32_t>(words[8]) : 0,
                      .unit = words[7],
                      .depths = words[3],
                      .files = words[4],
                      .lines = words[5]};
  const uint64_t values = body.value() + count * sizeof(uint32_t);
  if (words[6] <= kInlinedValue || (last >> 24) <= kInlineTreeData) return function;
  uint64_t data = values + uint64_t{words[6]} * sizeof(uint32_t);
  bool read = records_.Read(ElfAddress(values + kInlinedValue * sizeof(uint32_t)), function.inlined);
  if (layout_ == Layout::kGo116) {  // pointers, aligned
    data = (data + 7) / 8 * 8;
    uint64_t pointer = 0;
    read = read && records_.Read(ElfAddress(data + kInlineTreeData * sizeof(uint64_t)), pointer);
    if (pointer != 0) function.inline_tree = pointer;
  } else {
    uint32_t offset = 0;
    read = read && records_.Read(ElfAddress(data + kInlineTreeData * sizeof(uint32_t)), offset);
    if (offset != std::numeric_limits<uint32_t>::max()) function.inline_tree = offset;
  }
  if (!read) return Damaged("a function is cut");
  return function;
}

std::optional<std::string> GoPclntab::Name(uint32_t offset) const {
  std::string name;
  if (offset >= bytes_ - names_at_ || !names_.ReadText(At(names_at_, offset), kMaxGoNameBytes, name)) {
    return std::nullopt;
  }
  return name;
}

std::string GoPclntab::File(uint32_t unit, int32_t number) const {
  constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  std::string path;
  uint32_t offset = kNone;
  if (unit == kNone || number < 0) return path;
  const uint64_t at = (uint64_t{unit} + static_cast<uint32_t>(number)) * sizeof(offset);
  if (at >= bytes_ - units_at_ || !records_.Read(At(units_at_, at), offset) || offset == kNone) return path;
  if (offset >= bytes_ - files_at_ || !files_.ReadText(At(files_at_, offset), kMaxGoPathBytes, path)) path.clear();
  return path;
}

Status GoPclntab::VisitValues(const CodeExtent& extent, uint32_t values, const ValueVisitor& visit) const {
  if (values == 0) return Damaged("a function without values");
  uint64_t at = At(values_at_, values).value();
  std::span<const std::byte> bytes;
  const auto read_number = [&](uint32_t& out) {
    out = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (bytes.empty()) bytes = values_.At(ElfAddress(at));
      if (bytes.empty()) return false;
      const auto byte = static_cast<uint8_t>(bytes.front());
      bytes = bytes.subspan(1);
      ++at;
      out |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  };
  // Pairs of a change of the value (sign in bit 0) and the units of code for which it holds. 0 ends the list, but for
  // the first pair.
  uint32_t value = UINT32_MAX;
  uint64_t code = extent.begin.value();
  for (size_t i = 0; i < kMaxGoChanges; ++i) {
    uint32_t change = 0;
    uint32_t units = 0;
    if (!read_number(change)) return Damaged("values are cut");
    if (change == 0 && i != 0) return absl::OkStatus();
    if (!read_number(units)) return Damaged("values are cut");
    value += (change & 1) != 0 ? ~(change >> 1) : change >> 1;
    if (units > (extent.end.value() - code) / code_unit_) return Damaged("values beyond the function");
    code += uint64_t{units} * code_unit_;
    if (!visit(ElfAddress(code), static_cast<int32_t>(value))) return absl::OkStatus();
  }
  return Damaged("too many values");
}

std::optional<GoModuledata> GoPclntab::FindModule() const {
  return GoModuledata::Find(
      *elf_,
      {.header = header_, .names = At(names_at_, 0), .values = At(values_at_, 0), .functions = At(functions_at_, 0)});
}

// Code offsets of the functions of that name; there are two where the linker made a wrapper for another calling
// convention.
std::vector<uint32_t> GoPclntab::CodeNamed(std::string_view name) const {
  // Where the name lies: between two NULs.
  const std::string needle = '\0' + std::string(name) + '\0';
  std::set<uint32_t> offsets;
  std::vector<std::byte> piece;
  const uint64_t start = header_.value() + names_at_;
  // The names come first and the other tables behind them.
  const uint64_t end = std::min(names_at_ < units_at_ ? units_at_ : bytes_, names_at_ + kMaxSearchedBytes);
  for (uint64_t at = 0; at + names_at_ < end; at += kPieceBytes) {
    piece.resize(std::min(end - names_at_ - at, kPieceBytes + needle.size()));
    if (!elf_->ReadAddress(ElfAddress(start + at), piece).ok()) break;
    const std::string_view text = AsText(piece);
    for (size_t found = text.find(needle); found != text.npos; found = text.find(needle, found + 1)) {
      offsets.insert(static_cast<uint32_t>(at + found + 1));
    }
  }
  std::vector<uint32_t> code;
  for (size_t i = 0; i < size_ && !offsets.empty(); ++i) {
    const std::optional<Entry> entry = ReadEntry(i);
    uint32_t offset = 0;
    if (entry && records_.Read(RecordBody(*entry), offset) && offsets.contains(offset)) code.push_back(entry->code);
  }
  return code;
}

std::optional<ElfAddress> GoPclntab::FindGoexit(uint32_t goexit, const std::vector<uint32_t>& callees) const {
  const bool x86 = elf_->machine() == EM_X86_64;
  const auto matches = [&](const std::byte* code) {
    return std::ranges::any_of(callees, [&](uint32_t callee) {
      const auto distance = static_cast<int64_t>(callee) - goexit;
      if (x86) {  // nop; call rel32
        const auto relative = static_cast<uint32_t>(distance - 6);
        return code[0] == std::byte{0x90} && code[1] == std::byte{0xe8} && std::memcmp(code + 2, &relative, 4) == 0;
      }
      // mov x0, x0; bl
      const uint32_t words[2] = {0xaa0003e0, 0x94000000 | (static_cast<uint32_t>((distance - 4) / 4) & 0x3ffffff)};
      return std::memcmp(code, words, sizeof(words)) == 0;
    });
  };
  std::optional<ElfAddress> found;
  uint64_t budget = kMaxSearchedBytes;
  for (const ElfFile::Segment& segment : elf_->segments()) {
    if (!segment.executable || found) continue;
    // Functions of Go begin at multiples of 16 bytes at least.
    VisitBytes(*elf_, segment, 8, budget, [&](ElfAddress address, std::span<const std::byte> bytes) {
      for (uint64_t at = -address.value() % 16; at + 8 <= bytes.size(); at += 16) {
        if (!matches(bytes.data() + at)) continue;
        found = ElfAddress(address.value() + at - goexit);
        return false;
      }
      return true;
    });
  }
  return found;
}

StatusOr<ElfAddress> GoPclntab::FindText() const {
  if (const std::optional<GoModuledata> module = FindModule()) {
    const std::optional<Entry> first = ReadEntry(0);
    const ElfAddress begin(module->text().value() + (first ? first->code : 0));
    if (first && begin == module->first_code() && elf_->ExecutableSegmentContaining(begin)) return module->text();
  }
  const std::vector<uint32_t> goexit = CodeNamed("runtime.goexit");
  const std::vector<uint32_t> callees = CodeNamed("runtime.goexit1");
  for (const uint32_t record : goexit) {
    const std::optional<ElfAddress> text = FindGoexit(record, callees);
    if (text) return *text;
  }
  return Error(absl::StatusCode::kUnimplemented, "Go's table of functions doesn't say where the code begins");
}

}  // namespace kiln::symbolizer
