// SPDX-License-Identifier: Apache-2.0
// Cost of reading symbols, of naming one address and of making unwind tables. Inputs: this program, the C++ library
// that it uses, the go command, the running kernel, and a perf map as a large JIT writes it.
#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "symbolizer/demangle.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/go/go_names.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/perf_map.h"
#include "symbolizer/symbol_table.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::symbolizer {
namespace {

std::string CppLibrary() {
  Dl_info info{};
  ::dladdr(::dlsym(RTLD_DEFAULT, "__cxa_throw"), &info);
  return info.dli_fname;
}

ElfFile OpenElf(const std::string& path) { return *ElfFile::Open(*File::Open(path)); }

// Addresses of the executable segment in random order, so that lookups miss the caches as real ones do.
std::vector<ElfAddress> RandomAddresses(const ElfFile& elf) {
  std::mt19937_64 random(1);
  std::vector<ElfAddress> addresses;
  for (const ElfFile::Segment& segment : elf.segments()) {
    if (!segment.executable) continue;
    for (int i = 0; i < 4096; ++i) addresses.emplace_back(segment.address.value() + random() % segment.memory_size);
  }
  return addresses;
}

void BM_ReadSymbolTable(benchmark::State& state, const std::string& path) {
  const ElfFile elf = OpenElf(path);
  for (auto _ : state) {
    const StatusOr<SymbolTable> table = SymbolTable::Read(elf);
    benchmark::DoNotOptimize(table);
    state.counters["functions"] = static_cast<double>(table->size());
    state.counters["memory_bytes"] = static_cast<double>(table->memory_bytes());
  }
}
BENCHMARK_CAPTURE(BM_ReadSymbolTable, this_program, std::string("/proc/self/exe"))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_ReadSymbolTable, cpp_library, CppLibrary())->Unit(benchmark::kMicrosecond);

void BM_OpenElf(benchmark::State& state) {
  const std::string path = CppLibrary();
  for (auto _ : state) benchmark::DoNotOptimize(OpenElf(path));
}
BENCHMARK(BM_OpenElf)->Unit(benchmark::kMicrosecond);

// What is done for a file before its first page can be made.
void BM_OpenUnwindTable(benchmark::State& state, const std::string& path) {
  const ElfFile elf = OpenElf(path);
  for (auto _ : state) {
    const auto builder = UnwindTableBuilder::Open(elf);
    benchmark::DoNotOptimize(builder);
    state.counters["fdes"] = static_cast<double>((*builder)->counts().fdes);
  }
}
BENCHMARK_CAPTURE(BM_OpenUnwindTable, this_program, std::string("/proc/self/exe"))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_OpenUnwindTable, cpp_library, CppLibrary())->Unit(benchmark::kMicrosecond);

// All pages of a file; rows are those of its call frame information.
void BM_CompileUnwindTable(benchmark::State& state, const std::string& path) {
  const ElfFile elf = OpenElf(path);
  const auto builder = *UnwindTableBuilder::Open(elf);
  std::vector<uint32_t> words;
  uint64_t bytes = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < builder->page_count(); ++i) {
      builder->CompilePage(i, words);
      bytes += words.size() * sizeof(words[0]);
    }
  }
  const auto rows = static_cast<double>(builder->counts().raw_rows);
  state.SetItemsProcessed(static_cast<int64_t>(rows));
  state.counters["bytes_per_row"] = static_cast<double>(bytes) / rows;
}
BENCHMARK_CAPTURE(BM_CompileUnwindTable, this_program, std::string("/proc/self/exe"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_CompileUnwindTable, cpp_library, CppLibrary())->Unit(benchmark::kMillisecond);

void BM_LookupRaw(benchmark::State& state) {
  const ElfFile elf = OpenElf(CppLibrary());
  const SymbolTable table = *SymbolTable::Read(elf);
  const std::vector<ElfAddress> addresses = RandomAddresses(elf);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.LookupRaw(addresses[next++ % addresses.size()]));
}
BENCHMARK(BM_LookupRaw);

void BM_LookupDemangled(benchmark::State& state) {
  const ElfFile elf = OpenElf(CppLibrary());
  const SymbolTable table = *SymbolTable::Read(elf);
  const std::vector<ElfAddress> addresses = RandomAddresses(elf);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.Lookup(addresses[next++ % addresses.size()]));
}
BENCHMARK(BM_LookupDemangled);

// The go command itself, if there is one: 15 MB, 15 000 functions.
std::string GoProgram() {
  const std::string path = "/usr/local/go/bin/go";
  return ::access(path.c_str(), R_OK) == 0 ? path : "/usr/lib/go/bin/go";
}

void BM_OpenGoNames(benchmark::State& state) {
  StatusOr<File> file = File::Open(GoProgram());
  if (!file.ok()) return state.SkipWithError("no Go");
  const ElfFile elf = *ElfFile::Open(*std::move(file));
  for (auto _ : state) {
    const StatusOr<GoNames> names = GoNames::Find(elf);
    benchmark::DoNotOptimize(names);
    state.counters["functions"] = static_cast<double>(names->table().size());
    state.counters["memory_bytes"] = static_cast<double>(names->memory_bytes());
  }
}
BENCHMARK(BM_OpenGoNames)->Unit(benchmark::kMicrosecond);

// With the inlined functions, files and lines. Addresses of a window come sorted (1), as 4096 of all the code.
void BM_LookupGo(benchmark::State& state) {
  StatusOr<File> file = File::Open(GoProgram());
  if (!file.ok()) return state.SkipWithError("no Go");
  const ElfFile elf = *ElfFile::Open(*std::move(file));
  const GoNames names = *GoNames::Find(elf);
  std::vector<ElfAddress> addresses = RandomAddresses(elf);
  if (state.range(0) != 0) std::ranges::sort(addresses);
  size_t next = 0;
  size_t lines = 0;
  for (auto _ : state) lines += names.Lookup(addresses[next++ % addresses.size()]).lines.size();
  state.counters["lines"] = static_cast<double>(lines) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_LookupGo)->Arg(0)->Arg(1)->ArgName("sorted");

void BM_LoadKernelSymbols(benchmark::State& state) {
  for (auto _ : state) {
    const StatusOr<KernelSymbols> symbols = KernelSymbols::Load();
    if (!symbols.ok()) return state.SkipWithError("cannot read /proc/kallsyms");
    state.counters["functions"] = static_cast<double>(symbols->size());
    state.counters["memory_bytes"] = static_cast<double>(symbols->memory_bytes());
  }
}
BENCHMARK(BM_LoadKernelSymbols)->Unit(benchmark::kMillisecond);

void BM_ParseKernelSymbols(benchmark::State& state) {
  const StatusOr<std::string> text = ReadFile("/proc/kallsyms", kMaxKallsymsBytes);
  if (!text.ok()) return state.SkipWithError("cannot read /proc/kallsyms");
  for (auto _ : state) benchmark::DoNotOptimize(KernelSymbols::Parse(*text));
}
BENCHMARK(BM_ParseKernelSymbols)->Unit(benchmark::kMillisecond);

void BM_LookupKernel(benchmark::State& state) {
  const StatusOr<KernelSymbols> symbols = KernelSymbols::Load();
  if (!symbols.ok() || symbols->hidden()) return state.SkipWithError("no kernel symbols");
  std::mt19937_64 random(1);
  std::vector<ProcessAddress> addresses;
  const uint64_t text_bytes = symbols->text_end() - symbols->text_start();
  for (int i = 0; i < 4096; ++i) addresses.emplace_back(symbols->text_start() + random() % text_bytes);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(symbols->Lookup(addresses[next++ % addresses.size()]));
}
BENCHMARK(BM_LookupKernel);

void BM_ParsePerfMap(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text += fmt::format("{:x} {:x} LazyCompile:*function_{} /app/node_modules/library/index.js:{}\n",
                        0x7f0000000000 + (i * 7919 % 50'000) * 256, 200, i, i);
  }
  for (auto _ : state) benchmark::DoNotOptimize(PerfMap::Parse(text));
  state.counters["bytes"] = static_cast<double>(text.size());
}
BENCHMARK(BM_ParsePerfMap)->Unit(benchmark::kMillisecond);

void BM_Demangle(benchmark::State& state, const std::string& name) {
  for (auto _ : state) benchmark::DoNotOptimize(Demangle(name));
}
BENCHMARK_CAPTURE(BM_Demangle, c, std::string("pthread_mutex_lock"));
BENCHMARK_CAPTURE(BM_Demangle, cpp,
                  std::string("_ZNSt6vectorINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESaIS5_EE17_M_realloc_"
                              "insertIJRKS5_EEEvN9__gnu_cxx17__normal_iteratorIPS5_S7_EEDpOT_"));
BENCHMARK_CAPTURE(BM_Demangle, rust_v0,
                  std::string("_RINbNbCskIICzLVDPPb_5alloc5alloc8box_freeDINbNiB4_5boxed5FnBoxuEp6OutputuEL_"
                              "ECs1iopQbuBiw2_3std"));

}  // namespace
}  // namespace kiln::symbolizer
