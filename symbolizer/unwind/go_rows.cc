// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/go_rows.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::symbolizer {
namespace {

// What is read of a function's code. Frames are made in the first 100 bytes, behind the check for a larger stack; the
// functions that switch stacks are shorter than this.
constexpr size_t kCodeBytes = 512;
// The largest frame is that of runtime.call1073741824.
constexpr int32_t kMaxDepth = (1 << 30) + 4096;

// Compiled functions have less than ten.
constexpr size_t kMaxDepthChanges = 64 * 1024;

struct Depth {
  ElfAddress begin;
  ElfAddress end;
  int32_t bytes;
};

// The first bytes of a function's code. Reads beyond give no match.
class Code {
 public:
  Code(const ElfFile& elf, const CodeExtent& extent) : begin_(extent.begin) {
    size_ = std::min<uint64_t>({bytes_.size(), extent.end.value() - extent.begin.value(), elf.BytesFrom(begin_)});
    if (!elf.ReadAddress(begin_, std::span(bytes_).first(size_)).ok()) size_ = 0;
  }
  bool IsAt(ElfAddress address, std::string_view pattern) const {
    const uint64_t at = address.value() - begin_.value();
    return address >= begin_ && at <= size_ && size_ - at >= pattern.size() &&
           std::memcmp(bytes_.data() + at, pattern.data(), pattern.size()) == 0;
  }
  // nullopt if it is not there.
  std::optional<ElfAddress> Find(std::string_view pattern) const {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), size_);
    const size_t found = text.find(pattern);
    return found == text.npos ? std::nullopt : std::optional(ElfAddress(begin_.value() + found));
  }

 private:
  ElfAddress begin_;
  size_t size_ = 0;
  std::array<std::byte, kCodeBytes> bytes_;
};

constexpr std::string_view kPushRbp = "\x55";
constexpr std::string_view kMovRbpRsp = "\x48\x89\xe5";
constexpr std::string_view kStoreRbp8 = "\x48\x89\x6c\x24";   // mov [rsp + disp8], rbp
constexpr std::string_view kStoreRbp32 = "\x48\x89\xac\x24";  // mov [rsp + disp32], rbp
constexpr std::string_view kLeaRbp8 = "\x48\x8d\x6c\x24";
constexpr std::string_view kLeaRbp32 = "\x48\x8d\xac\x24";
constexpr std::string_view kClearRbp("\x48\xc7\xc5\0\0\0\0", 7);                // mov rbp, 0
constexpr std::string_view kSignalReturn("\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9);  // mov rax, SYS_rt_sigreturn; syscall
constexpr std::string_view kAddRsp8 = "\x48\x83\xc4";                           // add rsp, imm8
constexpr size_t kAddRsp8Bytes = 4;
// arm64
constexpr size_t kArm64Bytes = 4;
constexpr std::string_view kStoreFp("\xfd\x83\x1f\xf8", 4);  // stur x29, [sp, #-8]
constexpr std::string_view kSetFp("\xfd\x23\x00\xd1", 4);    // sub x29, sp, #8
constexpr std::string_view kClearFp("\xfd\x03\x1f\xaa", 4);  // mov x29, xzr

// How an x86-64 function keeps its caller's RBP: from `saved` on it lies at CFA - 16, from `set` on RBP points there.
struct FramePointer {
  ElfAddress saved;
  ElfAddress set;
};

std::optional<FramePointer> FindFramePointer(const Code& code, const std::vector<Depth>& depths) {
  const auto first = std::ranges::find_if(depths, [](const Depth& depth) { return depth.bytes != 0; });
  if (first == depths.end()) return std::nullopt;
  const auto behind = [&](uint64_t bytes) { return ElfAddress(first->begin.value() + bytes); };
  if (first->bytes == 8 && code.IsAt(ElfAddress(first->begin.value() - 1), kPushRbp)) {
    if (!code.IsAt(first->begin, kMovRbpRsp)) return std::nullopt;
    return FramePointer{.saved = first->begin, .set = behind(kMovRbpRsp.size())};
  }
  const bool short_store = code.IsAt(first->begin, kStoreRbp8) && code.IsAt(behind(5), kLeaRbp8);
  if (short_store) return FramePointer{.saved = behind(5), .set = behind(10)};
  const bool long_store = code.IsAt(first->begin, kStoreRbp32) && code.IsAt(behind(8), kLeaRbp32);
  if (long_store) return FramePointer{.saved = behind(8), .set = behind(16)};
  return std::nullopt;
}

kiln_rule FrameOnSp(int32_t depth, bool saved) {
  return {.cfa_kind = KILN_CFA_REGISTER,
          .cfa_register = KILN_X86_SP,
          .fp_kind = static_cast<uint8_t>(saved ? KILN_VALUE_AT_CFA : KILN_VALUE_SAME),
          .ra_kind = KILN_VALUE_AT_CFA,
          .cfa_offset = depth + 8,
          .fp_offset = saved ? -16 : 0,
          .ra_offset = -8};
}

constexpr kiln_rule kFrameOnRbp = {.cfa_kind = KILN_CFA_REGISTER,
                                   .cfa_register = KILN_X86_BP,
                                   .fp_kind = KILN_VALUE_AT_CFA,
                                   .ra_kind = KILN_VALUE_AT_CFA,
                                   .cfa_offset = 16,
                                   .fp_offset = -16,
                                   .ra_offset = -8};

// Keeps rows inside of their extent and in order, whatever a damaged file says.
class ClippedSink : public RowSink {
 public:
  ClippedSink(const CodeExtent& extent, RowSink& sink) : sink_(sink), next_(extent.begin), end_(extent.end) {}
  void Add(ElfAddress address, const kiln_rule& rule) override {
    if (address < next_ || address >= end_) return;
    sink_.Add(address, rule);
    next_ = address;
  }

 private:
  RowSink& sink_;
  ElfAddress next_;
  ElfAddress end_;
};

// Without the mark of the calling convention that assembly is compiled for.
std::string_view PlainName(std::string_view name) {
  if (name.ends_with(".abi0")) name.remove_suffix(5);
  return name;
}

// The outermost functions, beyond those that the linker marks so: the program's entry.
bool IsRoot(const GoFunction& function, std::string_view name) {
  // A signal handler is the outermost function for Go. For us the interrupted code comes next.
  if (name == "runtime.sigtramp" || name == "runtime.cgoSigtramp") return false;
  if (name.starts_with("_rt0_") && name.ends_with("_linux")) return true;
  return function.top_frame || name == "runtime.goexit" || name == "runtime.mstart" || name == "runtime.rt0_go" ||
         name == "runtime.clone" || name == "_rt0_amd64";
}

// Goes to another stack and won't come back.
bool LeavesStack(std::string_view name) { return name == "runtime.mcall" || name == "runtime.morestack"; }

}  // namespace

GoRows::GoRows(const ElfFile& elf, GoPclntab table) : elf_(elf), table_(std::move(table)) {}

StatusOr<std::unique_ptr<GoRows>> GoRows::Open(const ElfFile& elf) {
  KILN_ASSIGN_OR_RETURN(GoPclntab table, GoPclntab::Find(elf));
  return std::unique_ptr<GoRows>(new GoRows(elf, std::move(table)));
}

bool GoRows::IsSignalReturn(ElfAddress address) const {
  if (elf_.machine() != EM_X86_64) return false;  // elsewhere the kernel's vDSO has it
  std::array<std::byte, kSignalReturn.size()> code;
  return elf_.ReadAddress(address, code).ok() && std::memcmp(code.data(), kSignalReturn.data(), code.size()) == 0;
}

// A signal handler returns to the first byte of the trampoline, and return addresses are looked up one byte before.
// That byte is padding behind the function before, so the extent begins with it.
CodeExtent GoRows::ExtentOf(size_t index) const {
  const StatusOr<CodeExtent> known = table_.Extent(index);
  if (!known.ok()) return {};
  CodeExtent extent = *known;
  if (index != 0 && IsSignalReturn(extent.begin)) extent.begin = ElfAddress(extent.begin.value() - 1);
  if (extent.end > extent.begin && index + 1 < table_.size() && IsSignalReturn(extent.end)) {
    extent.end = ElfAddress(extent.end.value() - 1);
  }
  return extent;
}

std::optional<CodeExtent> GoRows::Next(ElfAddress from) {
  for (size_t index = table_.IndexOf(from); index < table_.size(); ++index) {
    const CodeExtent extent = ExtentOf(index);
    if (extent.begin < extent.end && from < extent.end) return extent;
  }
  return std::nullopt;
}

void GoRows::AddRows(const CodeExtent& extent, RowSink& sink) {
  ++counts_.functions;
  // The last byte is the function's in any case, see ExtentOf.
  const size_t index = table_.IndexOf(ElfAddress(extent.end.value() - 1));
  const StatusOr<GoFunction> function = index < table_.size() ? table_.Read(index) : Status();
  const std::optional<std::string> full_name = function.ok() ? table_.Name(function->name) : std::nullopt;
  if (!full_name) {
    ++counts_.damaged;
    return sink.Add(extent.begin, SpecialRule(KILN_SPECIAL_DAMAGED));
  }
  // Marks of the linker between functions.
  if (function->depths == 0) return sink.Add(extent.begin, SpecialRule(KILN_SPECIAL_NO_CFI));
  const std::string_view name = PlainName(*full_name);
  if (IsRoot(*function, name)) {
    ++counts_.roots;
    return sink.Add(extent.begin, SpecialRule(KILN_SPECIAL_ROOT));
  }
  if (IsSignalReturn(function->extent.begin)) {
    return sink.Add(extent.begin,
                    {.cfa_kind = KILN_CFA_SIGNAL, .cfa_register = KILN_X86_SP, .flags = KILN_RULE_SIGNAL_FRAME});
  }
  ClippedSink clipped(extent, sink);
  elf_.machine() == EM_X86_64 ? AddX86(*function, name, clipped) : AddArm64(*function, name, clipped);
}

namespace {

// The changes of the stack's depth. `ok` is false if the rest is damaged.
std::vector<Depth> ReadDepths(const GoPclntab& table, const GoFunction& function, int32_t unit, bool& ok) {
  std::vector<Depth> depths;
  ElfAddress begin = function.extent.begin;
  bool valid = true;
  ok = table
           .VisitValues(function.extent, function.depths,
                        [&](ElfAddress end, int32_t bytes) {
                          if (!valid || bytes < -unit || bytes > kMaxDepth || bytes % unit != 0) valid = false;
                          if (valid && begin < end) depths.push_back({.begin = begin, .end = end, .bytes = bytes});
                          begin = end;
                          return depths.size() < kMaxDepthChanges;
                        })
           .ok() &&
       valid && !depths.empty() && depths.size() < kMaxDepthChanges;
  return depths;
}

}  // namespace

void GoRows::AddX86(const GoFunction& function, std::string_view name, RowSink& sink) {
  bool ok = false;
  const std::vector<Depth> depths = ReadDepths(table_, function, 8, ok);
  const Code code(elf_, function.extent);
  const std::optional<FramePointer> fp = FindFramePointer(code, depths);
  const std::optional<ElfAddress> new_stack = function.writes_sp ? code.Find(kClearRbp) : std::nullopt;
  if (function.writes_sp && !new_stack && (LeavesStack(name) || !fp)) {
    ++counts_.unclear;
    return sink.Add(function.extent.begin, SpecialRule(KILN_SPECIAL_UNCLEAR));
  }
  if (function.writes_sp) ++counts_.stack_switches;
  for (const Depth& depth : depths) {
    if (new_stack && *new_stack < depth.begin) break;
    // A compiled function saves RBP in any case, wherever it does so.
    const bool saved = depth.bytes != 0 && (fp || (!function.assembly && !function.writes_sp));
    if (!saved || !fp) {
      sink.Add(depth.begin, FrameOnSp(depth.bytes, saved));
      continue;
    }
    if (depth.begin < fp->saved) sink.Add(depth.begin, FrameOnSp(depth.bytes, false));
    if (fp->saved < depth.end) sink.Add(std::max(depth.begin, fp->saved), FrameOnSp(depth.bytes, true));
    if (!function.writes_sp || fp->set >= depth.end) continue;
    sink.Add(std::max(depth.begin, fp->set), kFrameOnRbp);
    // Before Go 1.21, RBP is the caller's again one instruction before the frame is gone.
    const ElfAddress last(depth.end.value() - kAddRsp8Bytes);
    if (fp->set < last && depth.begin < last && code.IsAt(last, kAddRsp8)) sink.Add(last, FrameOnSp(depth.bytes, true));
  }
  if (new_stack && !depths.empty()) sink.Add(*new_stack, SpecialRule(KILN_SPECIAL_ROOT));
  if (!ok) {
    ++counts_.damaged;
    sink.Add(depths.empty() ? function.extent.begin : depths.back().end, SpecialRule(KILN_SPECIAL_DAMAGED));
  }
}

void GoRows::AddArm64(const GoFunction& function, std::string_view name, RowSink& sink) {
  bool ok = false;
  const std::vector<Depth> depths = ReadDepths(table_, function, 8, ok);
  const Code code(elf_, function.extent);
  const std::optional<ElfAddress> set_fp = code.Find(kSetFp);
  const std::optional<ElfAddress> new_stack = function.writes_sp ? code.Find(kClearFp) : std::nullopt;
  if (function.writes_sp && !new_stack && (LeavesStack(name) || !set_fp)) {
    ++counts_.unclear;
    return sink.Add(function.extent.begin, SpecialRule(KILN_SPECIAL_UNCLEAR));
  }
  if (function.writes_sp) ++counts_.stack_switches;
  for (const Depth& depth : depths) {
    if (new_stack && *new_stack < depth.begin) break;
    const kiln_rule leaf = {.cfa_kind = KILN_CFA_REGISTER, .cfa_register = KILN_ARM64_SP, .cfa_offset = depth.bytes};
    if (depth.bytes == 0) {  // the return address is in LR, FP is the caller's
      sink.Add(depth.begin, leaf);
      continue;
    }
    kiln_rule frame = leaf;
    frame.ra_kind = KILN_VALUE_AT_CFA;
    frame.ra_offset = -depth.bytes;
    ElfAddress begin = depth.begin;
    if (code.IsAt(begin, kStoreFp)) {  // FP isn't there yet
      sink.Add(begin, frame);
      begin = ElfAddress(begin.value() + kArm64Bytes);
    }
    frame.fp_kind = KILN_VALUE_AT_CFA;
    frame.fp_offset = -depth.bytes - 8;
    if (begin < depth.end) sink.Add(begin, frame);
    if (!function.writes_sp || new_stack) continue;
    const ElfAddress on_fp = std::max(begin, ElfAddress(set_fp->value() + kArm64Bytes));
    // FP is the caller's again one instruction before the frame is gone.
    const ElfAddress last(depth.end.value() - kArm64Bytes);
    if (on_fp >= last) continue;
    kiln_rule by_fp = frame;
    by_fp.cfa_register = KILN_ARM64_FP;
    by_fp.cfa_offset = depth.bytes + 8;
    sink.Add(on_fp, by_fp);
    sink.Add(last, frame);
  }
  if (new_stack && !depths.empty()) sink.Add(*new_stack, SpecialRule(KILN_SPECIAL_ROOT));
  if (!ok) {
    ++counts_.damaged;
    sink.Add(depths.empty() ? function.extent.begin : depths.back().end, SpecialRule(KILN_SPECIAL_DAMAGED));
  }
}

}  // namespace kiln::symbolizer
