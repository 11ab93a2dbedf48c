// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/go_pclntab.h"

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
// Functions, names and depths are read near the ones before, each through a window of its own.
constexpr uint64_t kWindowBytes = 4096;
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

}  // namespace

// Neighbouring small reads of the file in one.
class GoPclntab::Window {
 public:
  explicit Window(const ElfFile& elf) : elf_(elf) {}

  bool Read(ElfAddress address, std::span<std::byte> out) {
    if (out.size() > kWindowBytes) return false;
    if (address < start_ || address.value() - start_.value() > bytes_.size() ||
        bytes_.size() - (address.value() - start_.value()) < out.size()) {
      const uint64_t available = std::min(elf_.BytesFrom(address), kWindowBytes);
      if (available < out.size()) return false;
      bytes_.resize(available);
      start_ = address;
      if (!elf_.ReadAddress(address, bytes_).ok()) {
        bytes_.clear();
        return false;
      }
    }
    std::memcpy(out.data(), bytes_.data() + (address.value() - start_.value()), out.size());
    return true;
  }
  template <typename T>
  bool Read(ElfAddress address, T& out) {
    return Read(address, std::as_writable_bytes(std::span(&out, 1)));
  }

 private:
  const ElfFile& elf_;
  ElfAddress start_;
  std::vector<std::byte> bytes_;
};

namespace {

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
      functions_(std::make_unique<Window>(elf)),
      names_(std::make_unique<Window>(elf)),
      depths_(std::make_unique<Window>(elf)) {}
GoPclntab::GoPclntab(GoPclntab&&) noexcept = default;
GoPclntab& GoPclntab::operator=(GoPclntab&&) noexcept = default;
GoPclntab::~GoPclntab() = default;

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
  if (!functions_->Read(header, prefix)) return Damaged("not in the file");
  if (!IsPrefix(prefix, elf_->machine())) {
    return Error(absl::StatusCode::kUnimplemented, "Go's table of functions has an unknown layout ({:#x})",
                 prefix.magic);
  }
  magic_ = prefix.magic;
  code_unit_ = prefix.code_unit;

  // Number of functions, of files; from 1.18 on the start of the text; then five offsets from the header.
  std::array<uint64_t, 8> words{};
  const size_t count = magic_ == kMagic116 ? 7 : 8;
  if (bytes_ < kHeaderBytes || !functions_->Read(ElfAddress(header.value() + sizeof(Prefix)),
                                                 std::as_writable_bytes(std::span(words).first(count)))) {
    return Damaged("its header is cut");
  }
  const uint64_t* offsets = words.data() + count - 5;  // names, units, files, depths, functions
  names_at_ = offsets[0];
  depths_at_ = offsets[3];
  functions_at_ = offsets[4];
  if (names_at_ >= bytes_ || depths_at_ >= bytes_ || functions_at_ >= bytes_) return Damaged("an offset is too large");
  const uint64_t entry_bytes = magic_ == kMagic116 ? 16 : 8;
  const uint64_t functions = words[0];
  if (functions == 0 || functions > kMaxGoFunctions || functions > (bytes_ - functions_at_) / entry_bytes) {
    return Damaged("its number of functions can't be");
  }
  entries_.resize(functions + 1);
  if (magic_ != kMagic116) text_ = ElfAddress(words[2]);
  KILN_RETURN_IF_ERROR(ReadEntries());
  if (magic_ != kMagic116 && text_.value() == 0) {
    KILN_ASSIGN_OR_RETURN(text_, FindText());
  }
  if (elf_->ExecutableSegmentContaining(Extent(0).begin) == nullptr) return Damaged("its code is no code");
  return absl::OkStatus();
}

Status GoPclntab::ReadEntries() {
  const uint64_t at = header_.value() + functions_at_;
  uint64_t previous = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool last = i + 1 == entries_.size();
    uint64_t code = 0;
    uint64_t record = 0;
    if (magic_ == kMagic116) {
      uint64_t words[2] = {};
      // The last entry is an address alone.
      if (!functions_->Read(ElfAddress(at + i * 16), std::as_writable_bytes(std::span(words).first(last ? 1 : 2)))) {
        return Damaged("its functions are cut");
      }
      if (i == 0) text_ = ElfAddress(words[0]);
      code = words[0] - text_.value();
      record = words[1];
    } else {
      uint32_t words[2] = {};
      if (!functions_->Read(ElfAddress(at + i * 8), std::as_writable_bytes(std::span(words).first(last ? 1 : 2)))) {
        return Damaged("its functions are cut");
      }
      code = words[0];
      record = words[1];
    }
    if (code < previous || code > std::numeric_limits<uint32_t>::max() ||
        record > std::numeric_limits<uint32_t>::max()) {
      return Damaged("its functions don't ascend");
    }
    previous = code;
    entries_[i] = {.code = static_cast<uint32_t>(code), .record = static_cast<uint32_t>(record)};
  }
  return absl::OkStatus();
}

CodeExtent GoPclntab::Extent(size_t index) const {
  return {.begin = ElfAddress(text_.value() + entries_[index].code),
          .end = ElfAddress(text_.value() + entries_[index + 1].code)};
}

size_t GoPclntab::IndexOf(ElfAddress address) const {
  const uint64_t offset = address < text_ ? 0 : address.value() - text_.value();
  // The first entry behind the address ends the function that holds it.
  const auto end = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                    [](uint64_t value, const Entry& entry) { return value < entry.code; });
  if (end == entries_.end()) return size();
  return end == entries_.begin() ? 0 : static_cast<size_t>(end - entries_.begin()) - 1;
}

StatusOr<GoFunction> GoPclntab::Read(size_t index) const {
  // _func: entry (8 bytes in 1.16, 4 later), name, arguments, deferreturn, pcsp, pcfile, pcln, npcdata, cuOffset,
  // (1.20: startLine), then funcID, flag (reserved and 0 in 1.16) and two more bytes.
  const uint64_t at = header_.value() + functions_at_ + entries_[index].record + (magic_ == kMagic116 ? 8 : 4);
  std::array<uint32_t, 10> words{};
  const size_t count = magic_ == kMagic120 ? 10 : 9;
  if (!functions_->Read(ElfAddress(at), std::as_writable_bytes(std::span(words).first(count)))) {
    return Damaged("a function is cut");
  }
  GoFunction function{.extent = Extent(index)};
  const uint32_t flags = words[count - 1] >> 8 & 0xff;
  function.top_frame = (flags & 1) != 0;
  function.writes_sp = (flags & 2) != 0;
  function.assembly = (flags & 4) != 0;
  function.depths = words[3];
  const ElfAddress name(header_.value() + names_at_ + words[0]);
  std::array<std::byte, kMaxGoNameBytes> text;
  const uint64_t available = std::min<uint64_t>(elf_->BytesFrom(name), text.size());
  if (available == 0 || !names_->Read(name, std::span(text).first(available))) return Damaged("a name is cut");
  const std::string_view chars = AsText(std::span(text).first(available));
  function.name = chars.substr(0, chars.find('\0'));
  return function;
}

Status GoPclntab::VisitDepths(const GoFunction& function, const DepthVisitor& visit) const {
  if (function.depths == 0) return Damaged("a function without depths");
  uint64_t at = header_.value() + depths_at_ + function.depths;
  const auto read_number = [&](uint32_t& out) {
    out = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      uint8_t byte = 0;
      if (!depths_->Read(ElfAddress(at++), byte)) return false;
      out |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  };
  // Pairs of a change of the depth (sign in bit 0) and the bytes of code for which it holds. 0 ends the list, but for
  // the first pair.
  uint32_t depth = UINT32_MAX;
  uint64_t code = function.extent.begin.value();
  for (size_t i = 0; i < kMaxGoDepthChanges; ++i) {
    uint32_t change = 0;
    uint32_t bytes = 0;
    if (!read_number(change)) return Damaged("depths are cut");
    if (change == 0 && i != 0) return absl::OkStatus();
    if (!read_number(bytes)) return Damaged("depths are cut");
    depth += (change & 1) != 0 ? ~(change >> 1) : change >> 1;
    if (bytes > (function.extent.end.value() - code) / code_unit_) return Damaged("depths beyond the function");
    code += uint64_t{bytes} * code_unit_;
    visit(ElfAddress(code), static_cast<int32_t>(depth));
  }
  return Damaged("too many depths");
}

// Code offsets of the functions of that name; there are two where the linker made a wrapper for another calling
// convention.
std::vector<uint32_t> GoPclntab::RecordsNamed(std::string_view name) const {
  // Where the name lies: between two NULs.
  const std::string needle = '\0' + std::string(name) + '\0';
  std::set<uint32_t> offsets;
  std::vector<std::byte> piece;
  const uint64_t start = header_.value() + names_at_;
  // The names come first and the other tables behind them.
  const uint64_t end = std::min(names_at_ < depths_at_ ? depths_at_ : bytes_, names_at_ + kMaxSearchedBytes);
  for (uint64_t at = 0; at + names_at_ < end; at += kPieceBytes) {
    piece.resize(std::min(end - names_at_ - at, kPieceBytes + needle.size()));
    if (!elf_->ReadAddress(ElfAddress(start + at), piece).ok()) break;
    const std::string_view text = AsText(piece);
    for (size_t found = text.find(needle); found != text.npos; found = text.find(needle, found + 1)) {
      offsets.insert(static_cast<uint32_t>(at + found + 1));
    }
  }
  std::vector<uint32_t> records;
  for (size_t i = 0; i < size() && !offsets.empty(); ++i) {
    uint32_t offset = 0;
    const uint64_t at = header_.value() + functions_at_ + entries_[i].record + (magic_ == kMagic116 ? 8 : 4);
    if (functions_->Read(ElfAddress(at), offset) && offsets.contains(offset)) records.push_back(entries_[i].code);
  }
  return records;
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
  const std::vector<uint32_t> goexit = RecordsNamed("runtime.goexit");
  const std::vector<uint32_t> callees = RecordsNamed("runtime.goexit1");
  for (const uint32_t record : goexit) {
    const std::optional<ElfAddress> text = FindGoexit(record, callees);
    if (text) return *text;
  }
  return Error(absl::StatusCode::kUnimplemented, "Go's table of functions doesn't say where the code begins");
}

}  // namespace kiln::symbolizer
