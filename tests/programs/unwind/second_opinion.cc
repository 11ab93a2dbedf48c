// SPDX-License-Identifier: Apache-2.0
// Ways through several libraries to one burning function: callbacks of libc, libz and libstdc++, a signal, a thread, a
// destructor while an exception passes. Before each burn the program looks at its own stack with libunwind and
// remembers every stack that it has not seen yet. At its end it tells them all, leaf first, as return addresses in ELF
// files:
//
//   {"program":"second_opinion","pid":…,"burned_ns":…,"stacks":[[["/path/of/file",address],…],…]}
//
// The first frame of each is the call in `burns`; what follows is the same for a sample taken in `burn` right after.
#include <dlfcn.h>
#include <link.h>
#include <search.h>
#include <zlib.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn() { BURN(); }

namespace {

using Stack = std::vector<void*>;
std::set<Stack> stacks;

void Remember() {
  Stack stack(256);
  stack.resize(static_cast<size_t>(unw_backtrace(stack.data(), static_cast<int>(stack.size()))));
  stacks.insert(std::move(stack));
}

std::string Text(const Stack& stack) {
  std::string text;
  for (void* address : stack) {
    Dl_info info;
    link_map* object = nullptr;
    const bool known = dladdr1(address, &info, reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) != 0;
    const uintptr_t elf_address = reinterpret_cast<uintptr_t>(address) - (known ? object->l_addr : 0);
    text += (text.empty() ? "[[\"" : ",[\"") + std::string(known ? info.dli_fname : "") + "\"," +
            std::to_string(elf_address) + "]";
  }
  return text + "]";
}

}  // namespace

FRAME void burns() {
  Remember();
  burn();
  STAY_IN_FRAME();
}

FRAME int compares(const void* a, const void* b) {
  const int left = *static_cast<const int*>(a), right = *static_cast<const int*>(b);
  if (left == 0) burns();
  return left < right ? -1 : left > right;
}

// libc: a recursive sort, and a walk through a tree.
FRAME void by_qsort() {
  int numbers[] = {5, 3, 8, 0, 9, 1, 7, 2, 6, 4};
  qsort(numbers, std::size(numbers), sizeof(numbers[0]), compares);
}

FRAME int orders(const void* a, const void* b) { return *static_cast<const int*>(a) - *static_cast<const int*>(b); }

FRAME void visits(const void* node, VISIT order, int) {
  if (order == leaf && **static_cast<const int* const*>(node) == 1) burns();
}

FRAME void by_tree() {
  static int numbers[] = {4, 2, 6, 1, 3, 5, 7};
  void* root = nullptr;
  for (int& number : numbers) tsearch(&number, &root, orders);
  twalk(root, visits);
  tdestroy(root, [](void*) {});
}

FRAME void* allocates(void*, unsigned count, unsigned size) {
  burns();
  return calloc(count, size);
}

FRAME void by_zlib() {
  z_stream stream = {};
  stream.zalloc = allocates;
  stream.zfree = [](void*, void* memory) { free(memory); };
  if (deflateInit(&stream, 6) == Z_OK) deflateEnd(&stream);
}

// libstdc++: a function object, a sort, a call by std::call_once, a thread.
FRAME void by_library() {
  const std::function<void(int)> recursive = [&](int left) {
    if (left == 0) return burns();
    recursive(left - 1);
    STAY_IN_FRAME();
  };
  recursive(4);
  std::once_flag once;
  std::call_once(once, burns);
  std::thread(burns).join();
}

FRAME void handles(int) {
  burns();
  STAY_IN_FRAME();
}

FRAME void by_signal() {
  raise(SIGUSR1);
  STAY_IN_FRAME();
}

struct BurnsAtEnd {
  ~BurnsAtEnd() { burns(); }
};

FRAME void throws() {
  BurnsAtEnd at_end;
  throw std::runtime_error("on its way");
}

FRAME void by_exception() {
  try {
    throws();
  } catch (const std::exception&) {
    burns();
  }
}

FRAME void by_aligned_frame(int size) {
  alignas(64) volatile char local[128];
  char* memory = static_cast<char*>(__builtin_alloca(static_cast<size_t>(size)));
  local[0] = 1;
  __asm__ volatile("" : : "r"(local), "r"(memory) : "memory");
  burns();
  STAY_IN_FRAME();
}

int main(int argc, char** argv) {
  const int milliseconds = NumberArgument(argc, argv, 1, "second_opinion CPU-MILLISECONDS");
  struct sigaction action = {};
  action.sa_handler = handles;
  if (sigaction(SIGUSR1, &action, nullptr) != 0) Die("sigaction");
  const Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) {
    by_qsort();
    by_tree();
    by_zlib();
    by_library();
    by_signal();
    by_exception();
    by_aligned_frame(100);
  }
  std::string line = "{\"program\":\"second_opinion\",\"pid\":" + std::to_string(getpid()) +
                     ",\"burned_ns\":" + std::to_string(SpentNs(&budget)) + ",\"stacks\":[";
  for (const Stack& stack : stacks) line += (&stack == &*stacks.begin() ? "" : ",") + Text(stack);
  puts((line + "]}").c_str());
}
