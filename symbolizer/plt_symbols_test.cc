// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_symbols.h"

#include <gtest/gtest.h>

#include <bit>

#include "symbolizer/plt_code.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;
using namespace std::string_literals;

template <typename T>
std::string Bytes(const T& value) {
  return std::string(AsText(std::as_bytes(std::span(&value, 1))));
}
std::string Words(std::initializer_list<uint32_t> words) {
  std::string bytes;
  for (const uint32_t word : words) bytes += Bytes(word);
  return bytes;
}

struct CodeCase {
  std::string what;
  std::string code;
  uint64_t slot;  // of code at 0x1000; 0 = none
  uint64_t size;
};

TEST(PltCodeTest, DecodesStubsOfX86) {
  const CodeCase kCases[] = {
      {"lazy", "\xff\x25\x10\0\0\0\x68\1\0\0\0\xe9\0\0\0\0"s, 0x1016, 16},
      {".plt.got", "\xff\x25\xf0\xff\xff\xff\x66\x90"s, 0xff6, 8},
      {"endbr64", "\xf3\x0f\x1e\xfa\xff\x25\x10\0\0\0\x66\x0f\x1f\x44\0\0"s, 0x101a, 16},
      {"endbr64 and bnd", "\xf3\x0f\x1e\xfa\xf2\xff\x25\x10\0\0\0\x0f\x1f\x44\0\0"s, 0x101b, 16},
      {"retpoline, bound at once", "\x4c\x8b\x1d\x10\0\0\0\xe9\0\0\0\0\xcc\xcc\xcc\xcc"s, 0x1017, 16},
      {"retpoline, lazy", "\x4c\x8b\x1d\x10\0\0\0\xe8\0\0\0\0\xe9\0\0\0\0\x68\0\0\0\0\xe9\0\0\0\0"s, 0x1017, 32},
      {"another use of r11", "\x4c\x8b\x1d\x10\0\0\0\x90"s, 0, 0},
      {"the head of the table", "\xff\x35\x10\0\0\0\xff\x25\x10\0\0\0"s, 0, 0},
      {"a call", "\xff\x15\x10\0\0\0\x66\x90"s, 0, 0},
      {"cut", "\xff\x25\x10\0\0"s, 0, 0},
      {"nothing", "", 0, 0},
  };
  for (const CodeCase& c : kCases) {
    const auto stub = DecodePltStub(EM_X86_64, 0x1000, AsBytes(c.code));
    EXPECT_EQ(stub ? stub->slot : 0, c.slot) << c.what;
    EXPECT_EQ(stub ? stub->size : 0, c.size) << c.what;
  }
}

TEST(PltCodeTest, DecodesStubsOfArm64) {
  constexpr uint32_t kAdrp1 = 0xb0000010, kAdrpMinus1 = 0xf0fffff0, kLoad8 = 0xf9400611, kAdd = 0x91002210,
                     kBr = 0xd61f0220, kBti = 0xd503245f, kNop = 0xd503201f, kAutia = 0xd503219f;
  const CodeCase kCases[] = {
      {"plain", Words({kAdrp1, kLoad8, kAdd, kBr, kAdrp1}), 0x2008, 16},
      {"a page below", Words({kAdrpMinus1, kLoad8, kAdd, kBr}), 0x8, 16},
      {"bti", Words({kBti, kAdrp1, kLoad8, kAdd, kBr, kNop}), 0x2008, 24},
      {"pac", Words({kAdrp1, kLoad8, kAdd, kAutia, kBr, kNop}), 0x2008, 24},
      {"without padding", Words({kBti, kAdrp1, kLoad8, kAdd, kBr, kAdrp1}), 0x2008, 20},
      {"another register", Words({kAdrp1 + 1, kLoad8, kAdd, kBr}), 0, 0},
      {"no branch", Words({kAdrp1, kLoad8, kAdd, kNop, kNop, kNop, kNop, kNop, kBr}), 0, 0},
      {"cut", Words({kAdrp1, kLoad8, kAdd}), 0, 0},
  };
  for (const CodeCase& c : kCases) {
    const auto stub = DecodePltStub(EM_AARCH64, 0x1000, AsBytes(c.code));
    EXPECT_EQ(stub ? stub->slot : 0, c.slot) << c.what;
    EXPECT_EQ(stub ? stub->size : 0, c.size) << c.what;
  }
}

// A library with .plt at 0x1000: its head, stubs through the slots 0x3000, 0x3008 and 0x3010, and a stub through a slot
// without relocation.
struct Library {
  std::vector<Elf64_Rela> relocations = {
      {.r_offset = 0x3000, .r_info = ELF64_R_INFO(2, R_X86_64_JUMP_SLOT), .r_addend = 0},
      {.r_offset = 0x3008, .r_info = ELF64_R_INFO(1, R_X86_64_GLOB_DAT), .r_addend = 0},
      {.r_offset = 0x3010, .r_info = ELF64_R_INFO(0, R_X86_64_IRELATIVE), .r_addend = 0x1100}};
  bool has_sections = true;
  bool has_symbols = true;

  static std::string Stub(uint64_t at, uint64_t slot) {
    return "\xff\x25"s + Bytes(static_cast<uint32_t>(slot - at - 6)) + "\x68\0\0\0\0\xe9\0\0\0\0"s;
  }

  std::string Build() const {
    ElfBuilder builder;
    std::string code = "\xff\x35\0\0\0\0\xff\x25\0\0\0\0\x0f\x1f\x40\0"s;
    for (const uint64_t slot : {0x3000, 0x3008, 0x3010, 0x3018}) code += Stub(0x1000 + code.size(), slot);
    std::string rela;
    for (const Elf64_Rela& relocation : relocations) rela += Bytes(relocation);
    std::string names = "\0puts\0exit\0chosen\0"s;
    std::string symbols =
        Bytes(Elf64_Sym{}) + Bytes(Elf64_Sym{.st_name = 1, .st_info = 0x12}) +
        Bytes(Elf64_Sym{.st_name = 6, .st_info = 0x12}) +
        Bytes(Elf64_Sym{.st_name = 11, .st_info = 0x1a, .st_shndx = 1, .st_value = 0x1100, .st_size = 8});
    if (!has_symbols) symbols.resize(sizeof(Elf64_Sym));
    // One segment: code, then at 0x2000 what the dynamic section speaks of.
    constexpr uint64_t kSymbols = 0x2000, kNames = 0x2200, kRela = 0x2400, kHash = 0x2600, kDynamic = 0x2800;
    std::string image = code;
    const auto put = [&image](uint64_t address, const std::string& bytes) {
      image.resize(address - 0x1000);
      image += bytes;
    };
    put(kSymbols, symbols);
    put(kNames, names);
    put(kRela, rela);
    put(kHash, Words({1, static_cast<uint32_t>(symbols.size() / sizeof(Elf64_Sym))}));
    std::string dynamic;
    for (const auto& [tag, value] : std::initializer_list<std::pair<int64_t, uint64_t>>{{DT_SYMTAB, kSymbols},
                                                                                        {DT_STRTAB, kNames},
                                                                                        {DT_STRSZ, names.size()},
                                                                                        {DT_HASH, kHash},
                                                                                        {DT_JMPREL, kRela},
                                                                                        {DT_PLTRELSZ, rela.size()},
                                                                                        {DT_PLTREL, DT_RELA},
                                                                                        {DT_NULL, 0}}) {
      dynamic += Bytes(tag) + Bytes(value);
    }
    put(kDynamic, dynamic);
    builder.AddLoadedBytes(0x1000, image, PF_R | PF_X);
    const uint64_t content = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    builder.AddSegment({.p_type = PT_DYNAMIC,
                        .p_flags = PF_R,
                        .p_offset = content + kDynamic - 0x1000,
                        .p_vaddr = kDynamic,
                        .p_paddr = kDynamic,
                        .p_filesz = dynamic.size(),
                        .p_memsz = dynamic.size(),
                        .p_align = 8});
    builder.Add({.name = ".plt", .flags = SHF_ALLOC | SHF_EXECINSTR, .address = 0x1000, .bytes = code});
    builder.AddText(0x1100, 0x100);
    const uint32_t strings = builder.Add({.name = ".dynstr", .type = SHT_STRTAB, .bytes = names});
    const uint32_t table = builder.Add(
        {.name = ".dynsym", .type = SHT_DYNSYM, .bytes = symbols, .link = strings, .entry_size = sizeof(Elf64_Sym)});
    builder.Add({.name = ".rela.plt",
                 .type = SHT_RELA,
                 .flags = SHF_ALLOC,
                 .bytes = rela,
                 .link = table,
                 .entry_size = sizeof(Elf64_Rela)});
    if (!has_sections) {
      builder.patch_header = [](Elf64_Ehdr& header) { header.e_shoff = header.e_shnum = header.e_shstrndx = 0; };
    }
    return builder.Build();
  }

  // "ADDRESS+SIZE NAME" of each stub.
  std::vector<std::string> Stubs() const {
    const StatusOr<ElfFile> elf = ElfBuilder::OpenText(Build());
    EXPECT_TRUE(elf.ok()) << elf.status();
    std::vector<std::string> lines;
    for (const PltStub& stub : ReadPltStubs(*elf)) {
      lines.push_back(fmt::format("{:x}+{} {}", stub.address.value(), stub.size, stub.name));
    }
    return lines;
  }
};

using Lines = std::vector<std::string>;

TEST(PltSymbolsTest, NamesStubsByTheRelocationsOfTheirSlots) {
  EXPECT_EQ(Library{}.Stubs(), Lines({"1010+16 exit@plt", "1020+16 puts@plt", "1030+16 chosen@plt"}));
}

TEST(PltSymbolsTest, NamesThemWithoutSectionHeaders) {
  // Not the one whose slot is filled as data, which without sections may be no stub.
  EXPECT_EQ(Library{.has_sections = false}.Stubs(), Lines({"1010+16 exit@plt", "1030+16 chosen@plt"}));
}

TEST(PltSymbolsTest, LeavesAChosenFunctionWithoutSymbolAtItsAddress) {
  EXPECT_EQ(Library{.has_symbols = false}.Stubs(), Lines({"1030+16 *ABS*+0x1100@plt"}));
}

TEST(PltSymbolsTest, SkipsRelocationsThatNameNoSymbol) {
  Library library;
  library.relocations[0].r_info = ELF64_R_INFO(99, R_X86_64_JUMP_SLOT);
  library.relocations[1].r_info = ELF64_R_INFO(UINT32_MAX, R_X86_64_GLOB_DAT);
  library.relocations[2].r_info = ELF64_R_INFO(1, R_X86_64_RELATIVE);
  EXPECT_EQ(library.Stubs(), Lines());
  library.relocations.clear();
  EXPECT_EQ(library.Stubs(), Lines());
}

TEST(PltSymbolsTest, SurvivesTruncationAtEveryByte) {
  for (const bool has_sections : {true, false}) {
    const std::string image = Library{.has_sections = has_sections}.Build();
    for (size_t size = 0; size < image.size(); size += 3) {
      const StatusOr<ElfFile> elf = ElfBuilder::OpenText(std::string_view(image).substr(0, size));
      if (elf.ok()) (void)ReadPltStubs(*elf);
    }
  }
}

}  // namespace
}  // namespace kiln::symbolizer
