// SPDX-License-Identifier: Apache-2.0
#include "tests/browser/synthetic.h"

#include <fmt/format.h>

#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "profile/builder.h"

namespace kiln::testing {
namespace {

using namespace profile;  // NOLINT: this file makes nothing else

struct Name {
  std::string_view name;
  std::string_view file;
};

constexpr Name kClang[] = {
    {"clang::ParseAST(clang::Sema&, bool, bool)", "clang/lib/Parse/ParseAST.cpp"},
    {"clang::Parser::ParseTopLevelDecl(clang::OpaquePtr<clang::DeclGroupRef>&, clang::Sema::ModuleImportState&)",
     "clang/lib/Parse/Parser.cpp"},
    {"clang::Parser::ParseDeclarationAfterDeclaratorAndAttributes(clang::Declarator&, "
     "clang::Parser::ParsedTemplateInfo const&, clang::Parser::ForRangeInit*)",
     "clang/lib/Parse/ParseDecl.cpp"},
    {"clang::Sema::InstantiateFunctionDefinition(clang::SourceLocation, clang::FunctionDecl*, bool, bool, bool)",
     "clang/lib/Sema/SemaTemplateInstantiateDecl.cpp"},
    {"clang::Sema::CheckTemplateArgumentList(clang::TemplateDecl*, clang::SourceLocation, "
     "clang::TemplateArgumentListInfo&, bool)",
     "clang/lib/Sema/SemaTemplate.cpp"},
    {"(anonymous namespace)::TemplateInstantiator::TransformTemplateTypeParmType(clang::TypeLocBuilder&, "
     "clang::TemplateTypeParmTypeLoc, bool)",
     "clang/lib/Sema/SemaTemplateInstantiate.cpp"},
    {"clang::TreeTransform<(anonymous namespace)::TemplateInstantiator>::TransformCallExpr(clang::CallExpr*)",
     "clang/lib/Sema/TreeTransform.h"},
    {"llvm::detail::PassModel<llvm::Function, llvm::InstCombinePass, llvm::PreservedAnalyses, "
     "llvm::AnalysisManager<llvm::Function>>::run(llvm::Function&, llvm::AnalysisManager<llvm::Function>&)",
     "llvm/include/llvm/IR/PassManagerInternal.h"},
    {"llvm::InstCombinePass::run(llvm::Function&, llvm::AnalysisManager<llvm::Function>&)",
     "llvm/lib/Transforms/InstCombine/InstructionCombining.cpp"},
    {"llvm::SelectionDAGISel::runOnMachineFunction(llvm::MachineFunction&)",
     "llvm/lib/CodeGen/SelectionDAG/SelectionDAGISel.cpp"},
    {"llvm::GreedyRegAlloc::selectOrSplit(llvm::LiveInterval const&, llvm::SmallVectorImpl<llvm::Register>&)",
     "llvm/lib/CodeGen/RegAllocGreedy.cpp"},
    {"llvm::ScheduleDAGMILive::schedule()", "llvm/lib/CodeGen/MachineScheduler.cpp"},
    {"llvm::legacy::PassManagerImpl::run(llvm::Module&)", "llvm/lib/IR/LegacyPassManager.cpp"},
    {"clang::Lexer::LexTokenInternal(clang::Token&, bool)", "clang/lib/Lex/Lexer.cpp"},
};
constexpr Name kDatabase[] = {
    {"DB::PipelineExecutor::executeStepImpl(unsigned long, std::atomic<bool>*)",
     "src/Processors/Executors/PipelineExecutor.cpp"},
    {"DB::MergeTreeRangeReader::read(unsigned long, DB::MarkRanges&)",
     "src/Storages/MergeTree/MergeTreeRangeReader.cpp"},
    {"DB::Aggregator::executeOnBlock(std::vector<COW<DB::IColumn>::immutable_ptr<DB::IColumn>, "
     "std::allocator<COW<DB::IColumn>::immutable_ptr<DB::IColumn>>>, unsigned long, unsigned long, "
     "DB::AggregatedDataVariants&) const",
     "src/Interpreters/Aggregator.cpp"},
    {"void DB::Aggregator::executeImplBatch<false, false, false, "
     "DB::AggregationMethodOneNumber<unsigned long, HashMapTable<unsigned long, HashMapCell<unsigned long, char*, "
     "HashCRC32<unsigned long>>>>>(DB::Arena*, unsigned long, unsigned long) const",
     "src/Interpreters/Aggregator.cpp"},
    {"DB::CompressedReadBufferBase::decompress(char*, unsigned long, unsigned long)",
     "src/Compression/CompressedReadBufferBase.cpp"},
    {"LZ4::decompressImpl<32ul, true>(char const*, char*, unsigned long, unsigned long)",
     "src/Compression/LZ4_decompress.cpp"},
    {"DB::FunctionComparison<DB::EqualsOp>::executeImpl(std::vector<DB::ColumnWithTypeAndName> const&) const",
     "src/Functions/FunctionsComparison.h"},
    {"DB::MergeTask::MergeProjectionsStage::execute()", "src/Storages/MergeTree/MergeTask.cpp"},
};
constexpr Name kInlined[] = {
    {"std::vector<llvm::Value*, std::allocator<llvm::Value*>>::push_back(llvm::Value* const&)", "bits/stl_vector.h"},
    {"llvm::DenseMapBase<llvm::DenseMap<llvm::Value*, unsigned int>>::LookupBucketFor(llvm::Value* const&)",
     "llvm/include/llvm/ADT/DenseMap.h"},
    {"std::__shared_ptr<DB::IColumn, (__gnu_cxx::_Lock_policy)2>::~__shared_ptr()", "bits/shared_ptr_base.h"},
    {"std::hash<std::basic_string_view<char>>::operator()(std::string_view) const", "string_view"},
    {"HashTable<unsigned long>::emplace(unsigned long, bool&)", "src/Common/HashTable/HashTable.h"},
    {"std::unique_ptr<int[]>::operator[](unsigned long) const", "bits/unique_ptr.h"},
};
constexpr Name kPython[] = {
    {"handle_request", "app/server.py"},      {"render_template", "jinja2/environment.py"},
    {"Query.all", "sqlalchemy/orm/query.py"}, {"json_encode", "app/encoders.py"},
    {"validate", "pydantic/main.py"},         {"DataFrame.groupby", "pandas/core/frame.py"},
    {"<listcomp>", "app/report.py"},
};
constexpr Name kInterpreter[] = {{"_PyEval_EvalFrameDefault", "Python/ceval.c"},
                                 {"PyObject_Vectorcall", "Objects/call.c"},
                                 {"_PyFunction_Vectorcall", "Objects/call.c"}};
constexpr Name kJs[] = {{"LazyCompile:*handleRequest /srv/app/server.js:41", ""},
                        {"LazyCompile:*parse /srv/app/node_modules/qs/lib/parse.js:120", ""},
                        {"LazyCompile:*renderToString /srv/app/node_modules/react-dom/server.js:902", ""},
                        {"RegExp:^\\s*([a-z]+)\\s*$", ""},
                        {"LazyCompile:*diffChildren /srv/app/node_modules/preact/diff.js:18", ""}};
constexpr Name kV8[] = {
    {"v8::internal::Execution::Call(v8::internal::Isolate*, v8::internal::Handle<v8::internal::Object>)",
     "deps/v8/src/execution/execution.cc"},
    {"v8::internal::Scavenger::ScavengePage(v8::internal::MemoryChunk*)", "deps/v8/src/heap/scavenger.cc"},
    {"node::InternalCallbackScope::Close()", "src/api/callback.cc"}};
// Chains from the system call inwards.
constexpr std::string_view kKernelChains[][6] = {
    {"entry_SYSCALL_64_after_hwframe", "do_syscall_64", "ksys_read", "vfs_read", "ext4_file_read_iter",
     "copy_page_to_iter"},
    {"entry_SYSCALL_64_after_hwframe", "do_syscall_64", "__x64_sys_futex", "futex_wait", "schedule",
     "finish_task_switch"},
    {"entry_SYSCALL_64_after_hwframe", "do_syscall_64", "__sys_sendto", "tcp_sendmsg", "tcp_write_xmit",
     "__dev_queue_xmit"},
    {"asm_exc_page_fault", "exc_page_fault", "handle_mm_fault", "do_anonymous_page", "alloc_pages_mpol",
     "clear_page_erms"},
};

class Generator {
 public:
  explicit Generator(const SyntheticOptions& options) : options_(options), random_(options.seed) {
    b_.SetSampleTypes({b_.Type("samples", "count")});
    b_.SetPeriod(b_.Type("cpu", "nanoseconds"), 1'003'009);
    b_.SetTime(1'760'000'000'000'000'000, 30'000'000'000);
  }

  Profile Run() && {
    for (int i = 0; i < 6; ++i) Compiler(4242 + 17 * i, 0.42 / 6 * (6 - i) / 3.5);
    Database(1107, 0.30);
    Python(2203, 0.14);
    JavaScript(3301, 0.12);
    const auto property = [&](std::string_view key, auto value) { return b_.AddAttribute(key, value); };
    b_.SetProperties(b_.AddAttributeSet(
        std::vector{property("kiln.command", "ninja -C build clickbench"), property("kiln.version", "0.1.0"),
                    property("kiln.host", "oven-3"), property("kiln.kernel", "6.1.0-18-amd64 x86_64"),
                    property("kiln.event", "cpu-clock"), property("kiln.target", "whole host"),
                    property("kiln.samples.lost", int64_t{12}), property("kiln.processes.events_lost", int64_t{0}),
                    property("kiln.frames.unnamed: no symbol", int64_t{37})}));
    return std::move(b_).Finish();
  }

 private:
  using Stack = std::vector<LocationIndex>;  // root first here

  double Uniform() { return std::uniform_real_distribution<>()(random_); }
  // Favours small numbers, as call trees do.
  size_t Pick(size_t count) { return static_cast<size_t>(std::pow(Uniform(), 2.2) * static_cast<double>(count)); }

  MappingIndex Module(std::string_view path) {
    return b_.AddMapping({0x1000, 0x900000, 0x1000, b_.String(path),
                          b_.String(fmt::format("{:040x}", path.size() * 0x9e3779b97f4a7c15u))});
  }

  Line LineOf(const Name& name, uint64_t at) {
    const auto start = static_cast<int64_t>(20 + 13 * name.name.size() % 900);
    const FunctionIndex function = b_.AddFunction({b_.String(name.name), StringIndex(0), b_.String(name.file), start});
    return {function, name.file.empty() ? 0 : start + static_cast<int64_t>(at % 5) * 3, 0};
  }

  LocationIndex Place(MappingIndex module, FrameType type, const Name& name, const Name* inlined = nullptr) {
    const uint64_t at = Pick(5);
    std::vector<Line> lines;
    if (inlined) lines.push_back(LineOf(*inlined, at));
    lines.push_back(LineOf(name, at));
    const uint64_t address = 0x1000 + name.name.size() * 0x340 + at * 0x18 + (inlined ? 8 : 0);
    return b_.AddLocation({module, address, type, std::move(lines)});
  }

  void Kernel(Stack& stack) {
    const MappingIndex kernel = b_.AddMapping({0, 0, 0, b_.String("[kernel.kallsyms]"), StringIndex(0)});
    const auto& chain = kKernelChains[Pick(std::size(kKernelChains))];
    const size_t depth = 3 + Pick(4);
    for (size_t i = 0; i < std::min(depth, std::size(chain)); ++i) {
      stack.push_back(Place(kernel, FrameType::kKernel, {chain[i], ""}));
    }
  }

  void Truncated(Stack& stack) {
    if (Uniform() > 0.03) return;
    const auto cut = b_.AddFunction({b_.String("[truncated: bad frame pointer]"), StringIndex(0), StringIndex(0), 0});
    stack.push_back(b_.AddLocation({std::nullopt, 0, FrameType::kTruncated, {{cut, 0, 0}}}));
  }

  void Start(Stack& stack, MappingIndex libc, bool thread) {
    Truncated(stack);
    if (!stack.empty()) return;
    stack.push_back(Place(libc, FrameType::kNative, {thread ? "clone3" : "_start", ""}));
    stack.push_back(Place(libc, FrameType::kNative, {thread ? "start_thread" : "__libc_start_main", ""}));
  }

  // Walks down a call tree in which a place always has the same few callees, one of them favoured, as in real programs.
  template <size_t N>
  void Walk(Stack& stack, MappingIndex module, FrameType type, const Name (&names)[N], size_t depth, double inlined) {
    uint64_t place = N;
    for (size_t i = 0; i < depth; ++i) {
      const uint64_t callees = Mix(place) % 10 < 5 ? 1 : 2 + Mix(place) % 3;
      place = Mix(place * 31 + Pick(callees));
      const Name* inner =
          static_cast<double>(place % 100) < 100 * inlined ? &kInlined[place / 100 % std::size(kInlined)] : nullptr;
      stack.push_back(Place(module, type, names[place / 1000 % N], inner));
    }
  }

  static uint64_t Mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }

  size_t Depth(double share) { return 2 + static_cast<size_t>(Uniform() * 2 * share * options_.depth); }

  void Add(AttributeSetIndex process, int64_t tid, std::string_view thread, Stack stack) {
    const auto attributes =
        b_.AddAttributeSet(std::vector{b_.AddAttribute("thread.id", tid), b_.AddAttribute("thread.name", thread)});
    const auto count = static_cast<int64_t>(1 + std::pow(Uniform(), 6) * 60);
    b_.AddSample({b_.AddStack({stack.rbegin(), stack.rend()}), process, attributes, std::nullopt}, {{count}});
  }

  AttributeSetIndex Process(int64_t pid, std::string_view name, std::string_view container) {
    std::vector attributes{b_.AddAttribute("process.pid", pid), b_.AddAttribute("process.executable.name", name)};
    if (!container.empty()) attributes.push_back(b_.AddAttribute("container.id", container));
    return b_.AddAttributeSet(attributes);
  }

  uint32_t Share(double share) { return static_cast<uint32_t>(share * options_.stacks); }

  void Compiler(int64_t pid, double share) {
    const auto process = Process(pid, "clang-16", "");
    const auto libc = Module("/lib/x86_64-linux-gnu/libc.so.6"), clang = Module("/usr/lib/llvm-16/bin/clang");
    const auto llvm = Module("/usr/lib/x86_64-linux-gnu/libLLVM-16.so.1");
    for (uint32_t i = 0; i < Share(share); ++i) {
      Stack stack;
      Start(stack, libc, false);
      stack.push_back(Place(clang, FrameType::kNative, {"main", "clang/tools/driver/driver.cpp"}));
      stack.push_back(
          Place(clang, FrameType::kNative,
                {"cc1_main(llvm::ArrayRef<char const*>, char const*, void*)", "clang/tools/driver/cc1_main.cpp"}));
      Walk(stack, Uniform() < 0.6 ? clang : llvm, FrameType::kNative, kClang, Depth(0.8), 0.16);
      if (Uniform() < 0.12) {
        stack.push_back(Place(libc, FrameType::kNative, {"malloc", ""}));
        if (Uniform() < 0.5) Kernel(stack);
      }
      Add(process, pid, "clang-16", std::move(stack));
    }
  }

  void Database(int64_t pid, double share) {
    const auto process = Process(pid, "clickhouse", "4f1d0c6be2a94c1f8d");
    const auto libc = Module("/lib/x86_64-linux-gnu/libc.so.6"), db = Module("/usr/bin/clickhouse");
    for (uint32_t i = 0; i < Share(share); ++i) {
      Stack stack;
      Start(stack, libc, true);
      Walk(stack, db, FrameType::kNative, kDatabase, Depth(0.5), 0.2);
      if (Uniform() < 0.3) {
        stack.push_back(b_.AddLocation({libc, 0x30020 + 16 * Pick(3), FrameType::kNative, {}}));
        Kernel(stack);
      }
      const size_t thread = Pick(4);
      Add(process, pid + 1 + static_cast<int64_t>(thread), thread == 3 ? "BgMerge" : "QueryPipeline", std::move(stack));
    }
  }

  void Python(int64_t pid, double share) {
    const auto process = Process(pid, "gunicorn", "a80f33c7d5");
    const auto libc = Module("/lib/x86_64-linux-gnu/libc.so.6"), python = Module("/usr/bin/python3.11");
    for (uint32_t i = 0; i < Share(share); ++i) {
      Stack stack;
      Start(stack, libc, false);
      stack.push_back(Place(python, FrameType::kNative, {"Py_RunMain", "Modules/main.c"}));
      Walk(stack, python, FrameType::kNative, kInterpreter, 1 + Pick(2), 0);
      Walk(stack, python, FrameType::kCpython, kPython, Depth(0.3), 0);
      if (Uniform() < 0.2) Kernel(stack);
      Add(process, pid + static_cast<int64_t>(Pick(2)), "gunicorn", std::move(stack));
    }
  }

  void JavaScript(int64_t pid, double share) {
    const auto process = Process(pid, "node", "");
    const auto libc = Module("/lib/x86_64-linux-gnu/libc.so.6"), node = Module("/usr/bin/node");
    const auto jit = b_.AddMapping({0, 0, 0, b_.String("/tmp/perf-3301.map"), StringIndex(0)});
    for (uint32_t i = 0; i < Share(share); ++i) {
      Stack stack;
      Start(stack, libc, false);
      stack.push_back(Place(node, FrameType::kNative, {"node::Start(int, char**)", "src/node.cc"}));
      Walk(stack, node, FrameType::kNative, kV8, 1 + Pick(3), 0);
      Walk(stack, jit, FrameType::kJit, kJs, Depth(0.25), 0);
      if (Uniform() < 0.15) Kernel(stack);
      Add(process, pid, Uniform() < 0.85 ? "node" : "V8Worker", std::move(stack));
    }
  }

  SyntheticOptions options_;
  std::mt19937_64 random_;
  ProfileBuilder b_;
};

}  // namespace

Profile SyntheticProfile(const SyntheticOptions& options) { return Generator(options).Run(); }

}  // namespace kiln::testing
