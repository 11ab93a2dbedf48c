// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/check/libdw_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string_view>

#include "symbolizer/unwind/cfi_program.h"
#include "symbolizer/unwind/dwarf_reader.h"

namespace kiln::symbolizer::check {
namespace {

// A DWARF expression over a made-up thread. nullopt for what it doesn't know.
std::optional<uint64_t> Evaluate(const Dwarf_Op* ops, size_t count, std::optional<uint64_t> cfa, bool& is_value,
                                 const MadeUpThread& thread) {
  std::vector<uint64_t> stack;
  is_value = false;
  const auto pop = [&] {
    const uint64_t value = stack.empty() ? 0 : stack.back();
    if (!stack.empty()) stack.pop_back();
    return value;
  };
  for (size_t i = 0; i < count; ++i) {
    const Dwarf_Op& op = ops[i];
    if (op.atom >= DW_OP_lit0 && op.atom <= DW_OP_lit31) {
      stack.push_back(op.atom - DW_OP_lit0);
    } else if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) {
      stack.push_back(thread.Register(op.atom - DW_OP_breg0) + op.number);
    } else if (op.atom >= DW_OP_reg0 && op.atom <= DW_OP_reg31) {
      stack.push_back(thread.Register(op.atom - DW_OP_reg0));
      is_value = true;
    } else {
      switch (op.atom) {
        case DW_OP_bregx: stack.push_back(thread.Register(op.number) + op.number2); break;
        case DW_OP_regx:
          stack.push_back(thread.Register(op.number));
          is_value = true;
          break;
        case DW_OP_call_frame_cfa:
          if (!cfa) return std::nullopt;
          stack.push_back(*cfa);
          break;
        case DW_OP_plus_uconst: stack.push_back(pop() + op.number); break;
        case DW_OP_const1u:
        case DW_OP_const1s:
        case DW_OP_const2u:
        case DW_OP_const2s:
        case DW_OP_const4u:
        case DW_OP_const4s:
        case DW_OP_const8u:
        case DW_OP_const8s:
        case DW_OP_constu:
        case DW_OP_consts: stack.push_back(op.number); break;
        case DW_OP_deref: stack.push_back(thread.Memory(pop())); break;
        case DW_OP_dup: stack.push_back(stack.empty() ? 0 : stack.back()); break;
        case DW_OP_drop: pop(); break;
        case DW_OP_and: stack.push_back(pop() & pop()); break;
        case DW_OP_plus: stack.push_back(pop() + pop()); break;
        case DW_OP_minus: {
          const uint64_t right = pop();
          stack.push_back(pop() - right);
          break;
        }
        case DW_OP_shl: {
          const uint64_t bits = pop();
          const uint64_t value = pop();
          stack.push_back(bits < 64 ? value << bits : 0);
          break;
        }
        case DW_OP_ge: {
          const auto right = static_cast<int64_t>(pop());
          stack.push_back(static_cast<int64_t>(pop()) >= right ? 1 : 0);
          break;
        }
        case DW_OP_stack_value: is_value = true; break;
        default: return std::nullopt;
      }
    }
  }
  return stack.empty() ? std::nullopt : std::optional(stack.back());
}

class Frame final : public LibdwFrame {
 public:
  explicit Frame(Dwarf_Frame* frame) : frame_(frame) { ::dwarf_frame_info(frame_, &begin_, &end_, &signal_frame_); }
  ~Frame() override { std::free(frame_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  uint64_t begin() const override { return begin_; }
  uint64_t end() const override { return end_; }
  bool signal_frame() const override { return signal_frame_; }

  std::optional<FrameValues> Values(uint64_t tracked, const MadeUpThread& thread) const override {
    const UnwindMachine& machine = *thread.machine;
    FrameValues values;
    bool known = true;
    values.ra = Register(machine.dwarf_ra, std::nullopt, thread, values.no_caller, known);
    if (values.no_caller) return values;
    Dwarf_Op* ops = nullptr;
    size_t count = 0;
    bool is_value = false;
    if (::dwarf_frame_cfa(frame_, &ops, &count) != 0) return std::nullopt;
    const std::optional<uint64_t> cfa = Evaluate(ops, count, std::nullopt, is_value, thread);
    if (!cfa) return std::nullopt;
    bool undefined = false;
    known = true;
    values.sp = Register(machine.dwarf_sp, cfa, thread, undefined, known);
    values.ra = Register(machine.dwarf_ra, cfa, thread, undefined, known);
    if (!known) return std::nullopt;
    values.fp = Register(machine.dwarf_fp, cfa, thread, undefined, known);
    if (tracked != kNoDwarfRegister) values.tracked = Register(tracked, cfa, thread, undefined, known);
    return values;
  }

 private:
  std::optional<uint64_t> Register(uint64_t number, std::optional<uint64_t> cfa, const MadeUpThread& thread,
                                   bool& undefined, bool& known) const {
    Dwarf_Op memory[3];
    Dwarf_Op* ops = nullptr;
    size_t count = 0;
    undefined = false;
    if (::dwarf_frame_register(frame_, static_cast<int>(number), memory, &ops, &count) != 0) {
      known = false;
      return std::nullopt;
    }
    if (count == 0 && ops == nullptr) return thread.Register(number);  // same value
    if (count == 0) {
      undefined = true;
      return std::nullopt;
    }
    bool is_value = false;
    const std::optional<uint64_t> result = Evaluate(ops, count, cfa, is_value, thread);
    if (!result) {
      known = false;
      return std::nullopt;
    }
    return is_value ? *result : thread.Memory(*result);
  }

  Dwarf_Frame* frame_;
  Dwarf_Addr begin_ = 0;
  Dwarf_Addr end_ = 0;
  bool signal_frame_ = false;
};

class Libdw final : public LibdwFile {
 public:
  Libdw(int fd, Elf* elf) : fd_(fd), elf_(elf) {
    eh_frame_ = ::dwarf_getcfi_elf(elf_);
    dwarf_ = ::dwarf_begin_elf(elf_, DWARF_C_READ, nullptr);
    if (dwarf_ != nullptr) debug_frame_ = ::dwarf_getcfi(dwarf_);
  }
  ~Libdw() override {
    if (eh_frame_ != nullptr) ::dwarf_cfi_end(eh_frame_);
    if (dwarf_ != nullptr) ::dwarf_end(dwarf_);
    ::elf_end(elf_);
    ::close(fd_);
  }
  Libdw(const Libdw&) = delete;
  Libdw& operator=(const Libdw&) = delete;

  std::vector<CodeRange> FdeRanges() override {
    std::vector<CodeRange> ranges;
    AddRanges(".eh_frame", true, ranges);
    AddRanges(".debug_frame", false, ranges);
    return ranges;
  }

  Found At(uint64_t address, std::unique_ptr<LibdwFrame>& result) override {
    bool damaged = false;
    for (Dwarf_CFI* cfi : {eh_frame_, debug_frame_}) {
      Dwarf_Frame* frame = nullptr;
      if (cfi == nullptr) continue;
      if (::dwarf_cfi_addrframe(cfi, address, &frame) == 0) {
        result = std::make_unique<Frame>(frame);
        return Found::kFrame;
      }
      // DWARF_E_NO_MATCH is not public; its text is.
      if (std::string_view(::dwarf_errmsg(::dwarf_errno())) != "no matching address range") damaged = true;
    }
    return damaged ? Found::kDamaged : Found::kNothing;
  }

 private:
  void AddRanges(std::string_view name, bool is_eh_frame, std::vector<CodeRange>& ranges) {
    size_t names = 0;
    if (::elf_getshdrstrndx(elf_, &names) != 0) return;
    const auto* ident = reinterpret_cast<const unsigned char*>(::elf_getident(elf_, nullptr));
    for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf_, section)) != nullptr;) {
      GElf_Shdr header;
      if (::gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) continue;
      const char* section_name = ::elf_strptr(elf_, names, header.sh_name);
      if (section_name == nullptr || name != section_name) continue;
      if ((header.sh_flags & SHF_COMPRESSED) != 0) continue;
      Elf_Data* data = ::elf_rawdata(section, nullptr);
      if (data == nullptr) continue;
      AddRangesOf(data, header.sh_addr, ident, is_eh_frame, ranges);
    }
  }

  static void AddRangesOf(Elf_Data* data, uint64_t address, const unsigned char* ident, bool is_eh_frame,
                          std::vector<CodeRange>& ranges) {
    const auto* bytes = static_cast<const std::byte*>(data->d_buf);
    Dwarf_Off offset = 0;
    Dwarf_Off next = 0;
    Dwarf_CFI_Entry entry;
    Dwarf_Off cie_offset = ~Dwarf_Off{0};
    uint8_t encoding = 0;
    for (; ::dwarf_next_cfi(ident, data, is_eh_frame, offset, &next, &entry) == 0; offset = next) {
      if (dwarf_cfi_cie_p(&entry)) continue;
      if (entry.fde.CIE_pointer != cie_offset) {
        Dwarf_CFI_Entry cie;
        Dwarf_Off behind = 0;
        if (::dwarf_next_cfi(ident, data, is_eh_frame, entry.fde.CIE_pointer, &behind, &cie) != 0) continue;
        if (!dwarf_cfi_cie_p(&cie)) continue;
        cie_offset = entry.fde.CIE_pointer;
        encoding = PointerEncodingOf(cie.cie);
      }
      const auto* start = reinterpret_cast<const std::byte*>(entry.fde.start);
      ByteReader reader(std::span(start, reinterpret_cast<const std::byte*>(entry.fde.end)));
      const PointerBases bases{.pc = address + static_cast<uint64_t>(start - bytes)};
      uint64_t begin = 0;
      uint64_t size = 0;
      if (!ReadPointer(reader, encoding, bases, begin) || !ReadPointerValue(reader, encoding, size)) continue;
      ranges.push_back({.begin = begin, .end = begin + size});
    }
  }

  static uint8_t PointerEncodingOf(const Dwarf_CIE& cie) {
    const uint8_t* data = cie.augmentation_data;
    if (data == nullptr || cie.augmentation[0] != 'z') return kPointerAbsolute;
    const uint8_t* end = data + cie.augmentation_data_size;
    for (const char* letter = cie.augmentation + 1; *letter != 0 && data < end; ++letter) {
      if (*letter == 'R') return *data;
      if (*letter == 'L') ++data;
      if (*letter == 'P') {
        ByteReader reader(
            std::span(reinterpret_cast<const std::byte*>(data) + 1, reinterpret_cast<const std::byte*>(end)));
        uint64_t ignored = 0;
        if (!ReadPointerValue(reader, *data, ignored)) return kPointerAbsolute;
        data += 1 + reader.position();
      }
    }
    return kPointerAbsolute;
  }

  int fd_;
  Elf* elf_;
  Dwarf* dwarf_ = nullptr;
  Dwarf_CFI* eh_frame_ = nullptr;
  Dwarf_CFI* debug_frame_ = nullptr;
};

}  // namespace

std::unique_ptr<LibdwFile> LibdwFile::Open(const std::string& path) {
  ::elf_version(EV_CURRENT);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  Elf* elf = ::elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  if (elf == nullptr || ::elf_kind(elf) != ELF_K_ELF) {
    if (elf != nullptr) ::elf_end(elf);
    ::close(fd);
    return nullptr;
  }
  return std::make_unique<Libdw>(fd, elf);
}

}  // namespace kiln::symbolizer::check
