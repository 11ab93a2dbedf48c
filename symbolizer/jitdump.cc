// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/jitdump.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "symbolizer/string_table.h"

namespace kiln::symbolizer {
namespace {

constexpr uint32_t kMagic = 0x4A695444;  // "JiTD"
constexpr uint32_t kSwappedMagic = 0x4454694A;
constexpr uint32_t kVersion = 1;
// Of the header, with what later minor versions may add.
constexpr uint32_t kMaxHeaderBytes = 4096;

struct Header {
  uint32_t magic;
  uint32_t version;
  uint32_t total_size;
  uint32_t elf_machine;
  uint32_t padding;
  uint32_t pid;
  uint64_t timestamp;
  uint64_t flags;
};
static_assert(sizeof(Header) == 40);

enum RecordId : uint32_t { kLoad = 0, kMove = 1, kDebugInfo = 2, kClose = 3 };
struct RecordHead {
  uint32_t id;
  uint32_t total_size;
  uint64_t timestamp;
};
struct LoadBody {  // then the name, and the code
  uint32_t pid, tid;
  uint64_t vma, code_address, code_size, code_index;
};
struct MoveBody {
  uint32_t pid, tid;
  uint64_t vma, old_address, new_address, code_size, code_index;
};
struct DebugInfoBody {  // then the entries, each with a name
  uint64_t code_address, entries;
};
struct DebugEntry {
  uint64_t address;
  uint32_t line, discriminator;
};
static_assert(sizeof(RecordHead) == 16 && sizeof(LoadBody) == 40 && sizeof(MoveBody) == 48);
static_assert(sizeof(DebugInfoBody) == 16 && sizeof(DebugEntry) == 16);

// For one function: the largest of real ones have some thousands.
constexpr size_t kMaxLines = 256 * 1024;
constexpr size_t kMaxFileNameBytes = 4096;
constexpr size_t kMaxPending = 16;  // several threads may be writing
constexpr std::string_view kSameFile = "\xff";
constexpr uint64_t kV8Shift = sizeof(Elf64_Ehdr);

constexpr uint32_t kNativeMachine =
#if defined(__x86_64__)
    EM_X86_64;
#elif defined(__aarch64__)
    EM_AARCH64;
#endif

bool IsNameOfV8(std::string_view name) {
  constexpr std::string_view kBegins[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
  return std::ranges::any_of(kBegins, [&](std::string_view begin) { return name.starts_with(begin); });
}

bool IsFileName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

}  // namespace

// A part of the file in memory.
class JitDump::Window {
 public:
  Window(const File& file, uint64_t end, uint64_t& read_bytes) : file_(file), end_(end), read_bytes_(read_bytes) {}

  // [offset, offset + size), which is in the file. Valid until the next call.
  StatusOr<std::span<const std::byte>> Get(uint64_t offset, uint64_t size) {
    if (offset < start_ || offset + size > start_ + bytes_.size()) {
      bytes_.resize(std::min(std::max(size, kBytes), end_ - offset));
      start_ = offset;
      read_bytes_ += bytes_.size();
      if (Status status = file_.ReadAt(FileOffset(offset), bytes_); !status.ok()) {
        bytes_.clear();
        return status;
      }
    }
    return std::span(std::as_const(bytes_)).subspan(offset - start_, size);
  }

  // Copies a struct from `offset` on; false if it does not fit into `size`.
  template <class T>
  StatusOr<bool> Copy(uint64_t offset, uint64_t size, T& out) {
    if (size < sizeof(T)) return false;
    KILN_ASSIGN_OR_RETURN(const auto bytes, Get(offset, sizeof(T)));
    std::memcpy(&out, bytes.data(), sizeof(T));
    return true;
  }

  // The text from `offset` up to its NUL, which is within `size` bytes and `limit`; else nullopt.
  StatusOr<std::optional<std::string_view>> Text(uint64_t offset, uint64_t size, size_t limit) {
    const uint64_t most = std::min<uint64_t>(size, limit + 1);
    // Names are short, and what follows is not needed.
    for (uint64_t step = std::min<uint64_t>(most, 256);; step = std::min(most, step * 16)) {
      KILN_ASSIGN_OR_RETURN(const auto bytes, Get(offset, step));
      if (const auto text = ByteReader(bytes).CString()) return text;
      if (step == most) return std::nullopt;
    }
  }

 private:
  static constexpr uint64_t kBytes = 64 * 1024;
  const File& file_;
  uint64_t end_;
  uint64_t& read_bytes_;
  uint64_t start_ = 0;
  std::vector<std::byte> bytes_;
};

size_t JitDump::DebugInfo::memory_bytes() const {
  size_t bytes = sizeof(*this) + lines.capacity() * sizeof(Line) + files.capacity() * sizeof(std::string);
  for (const std::string& file : files) bytes += file.capacity();
  return bytes;
}

StatusOr<JitDump> JitDump::Read(const File& file, const JitDumpLimits& limits) {
  JitDump dump(limits);
  KILN_RETURN_IF_ERROR(dump.Update(file));
  return dump;
}

// A header has a time in it.
bool JitDump::WasReplaced(const File& file, uint64_t size) const {
  if (size < read_) return true;
  if (read_ == 0) return false;
  std::array<std::byte, kHeaderBytes> now{};
  return !file.ReadAt(FileOffset(0), now).ok() || now != header_;
}

Status JitDump::Update(const File& file) {
  struct stat now {};
  if (::fstat(file.fd(), &now) != 0) return ErrnoError(errno, "cannot stat the jitdump");
  const auto size = static_cast<uint64_t>(now.st_size);
  if (WasReplaced(file, size)) *this = JitDump(limits_);
  if (!given_up_.ok()) return given_up_;
  Status status = read_ == 0 ? TakeHeader(file, size) : absl::OkStatus();
  if (status.ok() && read_ != 0) status = TakeRecords(file, size);
  if (absl::IsOutOfRange(status)) return absl::OkStatus();  // cut meanwhile: what is there then is read next time
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kResourceExhausted: given_up_ = status; break;
    default: break;
  }
  return status;
}

Status JitDump::TakeHeader(const File& file, uint64_t size) {
  if (size < kHeaderBytes) return absl::OkStatus();  // not yet written
  KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(0), header_));
  Header header{};
  std::memcpy(&header, header_.data(), sizeof(header));
  if (header.magic == 0) return absl::OkStatus();
  if (header.magic == kSwappedMagic) {
    return Error(absl::StatusCode::kUnimplemented, "a jitdump of the other byte order");
  }
  if (header.magic != kMagic) return Error(absl::StatusCode::kInvalidArgument, "no jitdump: it has another magic");
  if (header.version != kVersion) {
    return Error(absl::StatusCode::kUnimplemented, "a jitdump of version {}, not {}", header.version, kVersion);
  }
  if (header.elf_machine != kNativeMachine) {
    return Error(absl::StatusCode::kUnimplemented, "a jitdump of another machine: number {} of elf.h, not {}",
                 header.elf_machine, kNativeMachine);
  }
  if (header.total_size < kHeaderBytes || header.total_size > kMaxHeaderBytes) {
    return Error(absl::StatusCode::kDataLoss, "a jitdump whose header has {} bytes", header.total_size);
  }
  pid_ = {static_cast<int32_t>(header.pid)};
  read_ = header.total_size;
  return absl::OkStatus();
}

Status JitDump::TakeRecords(const File& file, uint64_t size) {
  uint64_t read_bytes = 0;
  Window window(file, size, read_bytes);
  while (read_ <= size && size - read_ >= sizeof(RecordHead)) {
    RecordHead head{};
    KILN_RETURN_IF_ERROR(window.Copy(read_, size - read_, head).status());
    if (head.id == 0 && head.total_size == 0 && head.timestamp == 0) break;  // room, not yet written to
    if (head.total_size < sizeof(head)) {
      return Error(absl::StatusCode::kDataLoss, "a jitdump with a record of {} bytes at offset {}", head.total_size,
                   read_);
    }
    if (head.total_size > size - read_) break;
    KILN_ASSIGN_OR_RETURN(const bool good,
                          TakeRecord(window, head.id, read_ + sizeof(head), head.total_size - sizeof(head)));
    if (!good) ++damaged_records_;
    read_ += head.total_size;
    read_bytes_ += std::exchange(read_bytes, 0);  // not that of a record that is not whole yet: it is read again
    if (memory_bytes() > limits_.max_memory_bytes) {
      return Error(absl::StatusCode::kResourceExhausted, "the names of a jitdump take more than {} bytes",
                   limits_.max_memory_bytes);
    }
    if (read_bytes_ > limits_.max_read_bytes) {
      return Error(absl::StatusCode::kResourceExhausted, "a jitdump of more than {} bytes besides its code",
                   limits_.max_read_bytes);
    }
  }
  return absl::OkStatus();
}

StatusOr<bool> JitDump::TakeRecord(Window& window, uint32_t id, uint64_t offset, uint64_t size) {
  switch (id) {
    case kLoad: return TakeLoad(window, offset, size);
    case kMove: return TakeMove(window, offset, size);
    case kDebugInfo: return TakeDebugInfo(window, offset, size);
    default: return true;  // unwinding information, the end, and what may come
  }
}

StatusOr<bool> JitDump::TakeLoad(Window& window, uint64_t offset, uint64_t size) {
  LoadBody load{};
  KILN_ASSIGN_OR_RETURN(const bool whole, window.Copy(offset, size, load));
  if (!whole) return false;  // the code itself may be missing
  KILN_ASSIGN_OR_RETURN(const auto name, window.Text(offset + sizeof(load), size - sizeof(load), kMaxSymbolNameBytes));
  if (!name) return false;
  const std::string copy(*name);
  const std::vector<GeneratedCode::Line> lines = LinesFor(load.code_address, load.code_size, copy);
  if (!code_.Add(load.code_address, load.code_size, copy, lines)) return false;
  ++size_;
  return true;
}

StatusOr<bool> JitDump::TakeMove(Window& window, uint64_t offset, uint64_t size) {
  MoveBody move{};
  KILN_ASSIGN_OR_RETURN(const bool whole, window.Copy(offset, size, move));
  if (!whole) return false;
  const size_t moved = code_.Move(move.old_address, move.new_address, move.code_size);
  moves_ += moved;
  if (moves_ > limits_.max_moves) {
    return Error(absl::StatusCode::kResourceExhausted, "a jitdump that moves code more than {} times",
                 limits_.max_moves);
  }
  return moved > 0;
}

StatusOr<bool> JitDump::ReadDebugInfo(Window& window, uint64_t offset, uint64_t size, DebugInfo& info) {
  DebugInfoBody body{};
  KILN_ASSIGN_OR_RETURN(const bool whole, window.Copy(offset, size, body));
  if (!whole) return false;
  info.code = body.code_address;
  const uint64_t end = offset + size;
  offset += sizeof(body);
  for (uint64_t i = 0; i < body.entries; ++i) {
    DebugEntry entry{};
    KILN_ASSIGN_OR_RETURN(const bool has_entry, window.Copy(offset, end - offset, entry));
    if (!has_entry || i == kMaxLines || entry.line > INT32_MAX) return false;
    offset += sizeof(entry);
    KILN_ASSIGN_OR_RETURN(const auto name, window.Text(offset, end - offset, kMaxFileNameBytes));
    if (!name) return false;
    offset += name->size() + 1;
    if (*name != kSameFile && (info.files.empty() || info.files.back() != *name)) {
      if (!IsFileName(*name)) return false;
      info.files.emplace_back(*name);
    }
    if (info.files.empty()) return false;
    info.lines.push_back(
        {.address = entry.address, .line = entry.line, .file = static_cast<uint32_t>(info.files.size() - 1)});
  }
  return true;
}

StatusOr<bool> JitDump::TakeDebugInfo(Window& window, uint64_t offset, uint64_t size) {
  DebugInfo info{};
  KILN_ASSIGN_OR_RETURN(const bool good, ReadDebugInfo(window, offset, size, info));
  if (!good) {
    ++damaged_lines_;
    return true;  // the record that follows is found all the same
  }
  // Stable: of several lines at one address the last one counts.
  std::ranges::stable_sort(info.lines, {}, &DebugInfo::Line::address);
  pending_bytes_ += info.memory_bytes();
  pending_.push_back(std::move(info));
  if (pending_.size() > kMaxPending) {
    pending_bytes_ -= pending_.front().memory_bytes();
    pending_.pop_front();
    ++damaged_lines_;  // no function came
  }
  return true;
}

std::vector<GeneratedCode::Line> JitDump::LinesFor(uint64_t code, uint64_t size, std::string_view name) {
  std::vector<GeneratedCode::Line> lines;
  const auto found = std::ranges::find(pending_, code, &DebugInfo::code);
  if (found == pending_.end()) return lines;
  const DebugInfo info = std::move(*found);
  pending_bytes_ -= info.memory_bytes();
  pending_.erase(found);
  if (info.lines.empty()) return lines;
  const uint64_t shift = info.lines.front().address == code + kV8Shift && IsNameOfV8(name) ? kV8Shift : 0;
  if (info.lines.front().address < code || info.lines.back().address - code > size + shift) {
    ++damaged_lines_;
    return lines;
  }
  std::vector<uint32_t> files;
  for (const std::string& file : info.files) files.push_back(code_.AddFile(file));
  lines.reserve(info.lines.size());
  for (const auto& line : info.lines) {
    lines.push_back({.address = line.address - shift, .line = line.line, .file = files[line.file]});
  }
  return lines;
}

}  // namespace kiln::symbolizer
