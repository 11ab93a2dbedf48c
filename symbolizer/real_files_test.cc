// SPDX-License-Identifier: Apache-2.0
// Naming of what is on the machine: its C library, this test itself, the vDSO. Binutils' nm is the second opinion.
#include <cxxabi.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "base/file.h"
#include "symbolizer/demangle.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol_table.h"
#include "symbolizer/vdso.h"

// What the tests look for in this program. Not static: they are looked up by name, too.
extern "C" __attribute__((noinline)) int KilnPlainFunction(int x) { return x * 3 + static_cast<int>(::getpid()); }
namespace shapes {
template <typename T>
struct Box {
  T value;
  __attribute__((noinline)) int Grow(std::pair<int, T> by) const {
    return by.first + static_cast<int>(value) + ::getpid();
  }
};
template struct Box<long>;
}  // namespace shapes

namespace kiln::symbolizer {
namespace {

StatusOr<ElfFile> OpenElf(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  return ElfFile::Open(std::move(file));
}

struct Mapping {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  std::string path;
};

// The file behind an address of this process, as a profiler finds it.
Mapping MappingOf(const void* pointer) {
  const auto address = reinterpret_cast<uint64_t>(pointer);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping{};
    char dash;
    std::string permissions, device, inode;
    std::istringstream fields(line);
    fields >> std::hex >> mapping.start >> dash >> mapping.end >> permissions >> mapping.offset >> device >> inode;
    std::getline(fields >> std::ws, mapping.path);
    if (mapping.start <= address && address < mapping.end) return mapping;
  }
  ADD_FAILURE() << "address is not mapped";
  return {};
}

// A function of a library that is loaded; not the one that a sanitizer put in its place.
const void* FunctionOf(const char* library, const char* name) {
  void* handle = ::dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  EXPECT_NE(handle, nullptr) << library;
  return handle == nullptr ? nullptr : ::dlsym(handle, name);
}
const void* CFunction() { return FunctionOf("libc.so.6", "gnu_get_libc_version"); }
const void* CppFunction() { return FunctionOf("libstdc++.so.6", "_ZSt13set_terminatePFvvE"); }

Naming NameOf(const void* pointer) {
  const Mapping mapping = MappingOf(pointer);
  const StatusOr<ElfFile> elf = OpenElf(mapping.path);
  if (!elf.ok()) return MissOf(MissFromStatus(elf.status()));
  const uint64_t offset = reinterpret_cast<uint64_t>(pointer) - mapping.start + mapping.offset;
  const std::optional<ElfAddress> address = elf->ToElfAddress(FileOffset(offset));
  if (!address) return MissOf(Miss::kNotCovered);
  return SymbolTable::Read(*elf)->Lookup(*address);
}

TEST(RealFilesTest, NamesFunctionsOfThisProcess) {
  const Naming plain = NameOf(reinterpret_cast<const char*>(&KilnPlainFunction) + 1);
  ASSERT_EQ(plain.lines.size(), 1u) << MissName(plain.miss);
  EXPECT_EQ(plain.lines[0], (SourceLine{.name = "KilnPlainFunction"}));

  int (shapes::Box<long>::*member)(std::pair<int, long>) const = &shapes::Box<long>::Grow;
  const void* pointer;
  std::memcpy(&pointer, &member, sizeof(pointer));
  const Naming grow = NameOf(pointer);
  ASSERT_EQ(grow.lines.size(), 1u) << MissName(grow.miss);
  EXPECT_EQ(grow.lines[0].name, "shapes::Box<long>::Grow(std::pair<int, long>) const");
  EXPECT_EQ(grow.lines[0].system_name, "_ZNK6shapes3BoxIlE4GrowESt4pairIilE");
}

TEST(RealFilesTest, NamesFunctionsOfLibraries) {
  const Naming c = NameOf(CFunction());
  ASSERT_EQ(c.lines.size(), 1u) << MissName(c.miss);
  EXPECT_EQ(c.lines[0].name, "gnu_get_libc_version");
  const Naming cpp = NameOf(CppFunction());
  ASSERT_EQ(cpp.lines.size(), 1u) << MissName(cpp.miss);
  EXPECT_EQ(cpp.lines[0].name, "std::set_terminate(void (*)())");
}

struct NmSymbol {
  uint64_t start;
  uint64_t size;  // 0 = none
  std::string name;
};

// Functions according to nm: those of type t, T, w, W, i.
std::vector<NmSymbol> RunNm(const std::string& arguments) {
  std::vector<NmSymbol> symbols;
  const std::string command = "nm -S --defined-only --without-symbol-versions " + arguments;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  char buffer[65536];
  for (size_t count; (count = std::fread(buffer, 1, sizeof(buffer), pipe.get())) != 0;) text.append(buffer, count);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    NmSymbol symbol{};
    std::string second, third;
    fields >> std::hex >> symbol.start >> second >> third;
    char type = second[0];
    symbol.name = third;
    if (second.size() == 16) {
      std::from_chars(second.data(), second.data() + 16, symbol.size, 16);
      type = third[0];
      fields >> symbol.name;
    }
    if (std::string_view("tTwWi").find(type) != std::string_view::npos) symbols.push_back(symbol);
  }
  return symbols;
}

// All names that the sized symbols of nm allow at an address: those of the nearest covering start.
std::set<std::string> Expected(const std::vector<NmSymbol>& sorted, uint64_t address) {
  std::set<std::string> names;
  uint64_t start = 0;
  for (auto it = std::ranges::upper_bound(sorted, address, {}, &NmSymbol::start); it != sorted.begin();) {
    --it;
    if (!names.empty() && it->start != start) break;
    if (address - it->start >= it->size) continue;
    names.insert(it->name);
    start = it->start;
  }
  return names;
}

// Looks at the first and the last byte of each sized function, and behind it.
void CompareWithNm(const std::string& path, const std::string& nm_options, size_t least) {
  const StatusOr<ElfFile> elf = OpenElf(path);
  ASSERT_TRUE(elf.ok()) << elf.status();
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  ASSERT_TRUE(table.ok()) << table.status();
  std::vector<NmSymbol> symbols = RunNm(nm_options + " " + path);
  std::ranges::sort(symbols, {}, &NmSymbol::start);
  size_t checked = 0;
  for (const NmSymbol& symbol : symbols) {
    if (symbol.size == 0) continue;
    for (const uint64_t address : {symbol.start, symbol.start + symbol.size - 1}) {
      std::string name(table->LookupRaw(ElfAddress(address)));
      if (const size_t at = name.find('@'); at != std::string::npos) name.resize(at);
      const std::set<std::string> expected = Expected(symbols, address);
      ASSERT_TRUE(expected.contains(name))
          << path << " " << std::hex << address << ": " << name << ", nm says " << *expected.begin();
    }
    ++checked;
  }
  EXPECT_GT(checked, least);
}

// Addresses as samples have them: a few functions of many.
void CompareSomeWithTheWhole(const std::string& path) {
  const StatusOr<ElfFile> elf = OpenElf(path);
  ASSERT_TRUE(elf.ok()) << elf.status();
  const StatusOr<SymbolTable> whole = SymbolTable::Read(*elf);
  ASSERT_TRUE(whole.ok()) << whole.status();
  size_t named = 0;
  for (const uint64_t step : {7, 999, 54321}) {
    std::vector<uint64_t> addresses;
    for (const ElfFile::Segment& segment : elf->segments()) {
      if (!segment.executable) continue;
      const uint64_t start = segment.address.value();
      for (uint64_t offset = step; offset < segment.memory_size + 10; offset += step)
        addresses.push_back(start + offset);
    }
    const StatusOr<SymbolTable> some = SymbolTable::ReadFor(*elf, addresses);
    ASSERT_TRUE(some.ok()) << some.status();
    for (const uint64_t address : addresses) {
      const std::string_view name = whole->LookupRaw(ElfAddress(address));
      ASSERT_EQ(some->LookupRaw(ElfAddress(address)), name) << path << " " << std::hex << address;
      named += name.empty() ? 0 : 1;
    }
    if (step > 10000) {
      EXPECT_LT(some->memory_bytes(), whole->memory_bytes());
    }
  }
  EXPECT_GT(named, 1000u);
}

TEST(RealFilesTest, SomeAddressesOfRealFilesAreNamedAsByTheWholeTable) {
  for (const void* function : {CFunction(), CppFunction(), reinterpret_cast<const void*>(&KilnPlainFunction)}) {
    CompareSomeWithTheWhole(MappingOf(function).path);
  }
  for (const char* path :
       {"/usr/bin/node", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/llvm-16/lib/libclang-cpp.so.16"}) {
    if (::access(path, R_OK) == 0) CompareSomeWithTheWhole(path);
  }
}

TEST(RealFilesTest, AgreesWithNmOnTheCLibrary) { CompareWithNm(MappingOf(CFunction()).path, "-D", 1000); }

TEST(RealFilesTest, AgreesWithNmOnThisProgram) {
  CompareWithNm(MappingOf(reinterpret_cast<const void*>(&KilnPlainFunction)).path, "", 1000);
}

TEST(RealFilesTest, AgreesWithNmOnTheCppLibrary) { CompareWithNm(MappingOf(CppFunction()).path, "-D", 1000); }

TEST(RealFilesTest, DemanglesTheCppLibraryAsItsOwnDemanglerDoes) {
  size_t checked = 0;
  for (const NmSymbol& symbol : RunNm("-D " + MappingOf(CppFunction()).path)) {
    if (!symbol.name.starts_with("_Z")) continue;
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> expected(
        abi::__cxa_demangle(symbol.name.c_str(), nullptr, nullptr, &status), std::free);
    if (status != 0) continue;
    EXPECT_EQ(Demangle(symbol.name), expected.get()) << symbol.name;
    ++checked;
  }
  EXPECT_GT(checked, 1000u);
}

TEST(RealFilesTest, BuildIdIsTheOneOfReadelf) {
  const std::string path = MappingOf(CFunction()).path;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("readelf -n " + path).c_str(), "r"), ::pclose);
  std::string text;
  char buffer[4096];
  for (size_t count; (count = std::fread(buffer, 1, sizeof(buffer), pipe.get())) != 0;) text.append(buffer, count);
  const StatusOr<ElfFile> elf = OpenElf(path);
  ASSERT_TRUE(elf.ok());
  ASSERT_FALSE(elf->build_id().empty());
  EXPECT_NE(text.find("Build ID: " + elf->build_id() + "\n"), std::string::npos) << text;
}

TEST(RealFilesTest, ReadsTheVdso) {
  if (::getauxval(AT_SYSINFO_EHDR) == 0) GTEST_SKIP() << "this kernel gave the process no vDSO";
  const StatusOr<ElfFile> vdso = ReadVdso();
  ASSERT_TRUE(vdso.ok()) << vdso.status();
  EXPECT_FALSE(vdso->build_id().empty());
  const StatusOr<SymbolTable> table = SymbolTable::Read(*vdso);
  ASSERT_TRUE(table.ok()) << table.status();
  std::set<std::string_view> names;
  for (uint64_t offset = 0; offset < vdso->size(); offset += 4) {
    const std::optional<ElfAddress> address = vdso->ToElfAddress(FileOffset(offset));
    if (address && vdso->ExecutableSegmentContaining(*address)) names.insert(table->LookupRaw(*address));
  }
  EXPECT_TRUE(names.contains("clock_gettime") || names.contains("__vdso_clock_gettime") ||
              names.contains("__kernel_clock_gettime"));
}

}  // namespace
}  // namespace kiln::symbolizer
