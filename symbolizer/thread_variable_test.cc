// SPDX-License-Identifier: Apache-2.0
// Libraries with a thread-local variable in each access model, loaded into this process: what the file tells has to
// lead to where the dynamic linker says the variable of this thread is.
#include "symbolizer/thread_variable.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/file.h"

// A variable of this program itself.
extern "C" {
__thread long kiln_test_of_program[3] = {7};
}

namespace kiln::symbolizer {
namespace {

using Access = ThreadVariable::Access;

uint64_t ThreadPointer() {
  uint64_t value = 0;
#if defined(__x86_64__)
  __asm__("mov %%fs:0, %0" : "=r"(value));
#elif defined(__aarch64__)
  __asm__("mrs %0, tpidr_el0" : "=r"(value));
#endif
  return value;
}

uint64_t WordAt(uint64_t address) {
  uint64_t word = 0;
  std::memcpy(&word, reinterpret_cast<const void*>(address), sizeof(word));
  return word;
}

// Of glibc: where the calling thread has the block of a file; its table of blocks has two words per file.
uint64_t BlockOf(uint64_t module) {
#if defined(__x86_64__)
  const uint64_t table = WordAt(ThreadPointer() + 8);
#else
  const uint64_t table = WordAt(ThreadPointer());
#endif
  return WordAt(table + module * 16);
}

StatusOr<ElfFile> OpenElf(const std::string& path) {
  KILN_ASSIGN_OR_RETURN(File file, File::Open(path));
  return ElfFile::Open(std::move(file));
}

class Library {
 public:
  explicit Library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle_, nullptr) << ::dlerror();
    link_map* map = nullptr;
    ::dlinfo(handle_, RTLD_DI_LINKMAP, &map);
    bias_ = map->l_addr;
  }
  ~Library() { ::dlclose(handle_); }

  uint64_t Variable() const { return reinterpret_cast<uint64_t>(::dlsym(handle_, "kiln_test_variable")); }
  uint64_t Slot(const ThreadVariable& variable) const { return bias_ + variable.slot.value(); }
  void Touch() const { reinterpret_cast<const void* (*)()>(::dlsym(handle_, "kiln_test_read"))(); }

 private:
  void* handle_;
  uint64_t bias_ = 0;
};

// The way that a profiler goes, in the memory of this process.
uint64_t Follow(const ThreadVariable& variable, uint64_t slot) {
  switch (variable.access) {
    case Access::kStatic: return ThreadPointer() + static_cast<uint64_t>(variable.thread_offset);
    case Access::kOffsetSlot: return ThreadPointer() + WordAt(slot);
    case Access::kModuleSlot: return BlockOf(WordAt(slot)) + variable.block_offset;
    case Access::kDescriptor: break;
  }
  const auto argument = static_cast<int64_t>(WordAt(slot + 8));
  if (argument >= INT32_MIN && argument <= INT32_MAX) return ThreadPointer() + static_cast<uint64_t>(argument);
  return BlockOf(WordAt(static_cast<uint64_t>(argument))) + WordAt(static_cast<uint64_t>(argument) + 8);
}

struct Case {
  const char* name;
  Access access;
};
class ThreadVariables : public testing::TestWithParam<Case> {};

TEST_P(ThreadVariables, LieWhereTheFileLeads) {
  const std::string path = fmt::format("{}/libthread_variable_{}.so", KILN_THREAD_VARIABLES, GetParam().name);
  const auto elf = OpenElf(path);
  ASSERT_TRUE(elf.ok()) << elf.status();
  const auto variable = FindThreadVariable(*elf, "kiln_test_variable", /*is_program=*/false);
  ASSERT_TRUE(variable.ok()) << variable.status();
  EXPECT_EQ(variable->access, GetParam().access);
  EXPECT_EQ(variable->bytes, sizeof(void*));
  const Library library(path);
  const auto check = [&] {
    library.Touch();  // blocks of libraries are made at their first use
    EXPECT_EQ(Follow(*variable, library.Slot(*variable)), library.Variable());
  };
  check();
  std::thread(check).join();
}

INSTANTIATE_TEST_SUITE_P(
    AccessModels, ThreadVariables,
    testing::Values(Case{"descriptor", Access::kDescriptor}, Case{"descriptor_symbolic", Access::kDescriptor},
                    Case{"traditional", Access::kModuleSlot}, Case{"traditional_symbolic", Access::kModuleSlot},
                    Case{"initial_exec", Access::kOffsetSlot}, Case{"initial_exec_symbolic", Access::kOffsetSlot}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(ThreadVariable, OfAProgramHasAFixedOffset) {
  const auto elf = OpenElf("/proc/self/exe");
  ASSERT_TRUE(elf.ok());
  const auto variable = FindThreadVariable(*elf, "kiln_test_of_program", /*is_program=*/true);
  ASSERT_TRUE(variable.ok()) << variable.status();
  EXPECT_EQ(variable->access, Access::kStatic);
  EXPECT_EQ(variable->bytes, sizeof(kiln_test_of_program));
  EXPECT_EQ(Follow(*variable, 0), reinterpret_cast<uint64_t>(&kiln_test_of_program));
}

TEST(ThreadVariable, ThatIsNotThereIsNotFound) {
  const auto program = OpenElf("/proc/self/exe");
  ASSERT_TRUE(program.ok());
  // Not there at all, a function, and one that the program uses but another file has.
  for (const char* name : {"kiln_test_nobody", "main", "kiln_test_of_progra", ""}) {
    EXPECT_EQ(FindThreadVariable(*program, name, true).status().code(), absl::StatusCode::kNotFound) << name;
  }
}

}  // namespace
}  // namespace kiln::symbolizer
