// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/unwind/table_compiler.h"

namespace kiln::agent {

// Does what takes long for the collector's thread: compiles pages of unwind tables and waits for readers. One thread of
// low priority which keeps to a budget of CPU time. Thread-safe.
class TableWorker {
 public:
  struct Request {
    uint32_t table;
    const symbolizer::ElfFile* elf;                 // must stay
    std::shared_ptr<const DebugFilePlaces> places;  // of its debug file; may be nullptr
    uint32_t page;
  };
  struct Results {
    std::vector<CompiledPage> pages;  // that were asked for
    std::vector<CompiledPage> ahead;  // that were not
    bool readers_gone = false;        // a wait asked for by AwaitReaders has ended
  };

  // `wake` is called on the worker's thread when there are results, and must not call back. `cache_folder` as
  // TableCompiler's.
  TableWorker(std::function<void()> wake, const std::string& cache_folder);
  // What is under way is finished, what was asked for beyond is dropped.
  ~TableWorker();

  void Compile(const Request& request);
  // Whether pages are made that nobody has asked for yet (Results::ahead), when there is nothing else to do. On at
  // first.
  void SetAhead(bool on);
  // Waits until all BPF programs that run now have ended. That comes before pages, and costs no CPU time of the budget:
  // memory is waiting for it.
  void AwaitReaders();

  Results Take();
  // Blocks until all that was asked for is done. The budget does not count meanwhile.
  void Finish();

  // As of now; the sums over all tables.
  TableCompiler::Counts counts() const;
  // CPU time of the thread so far.
  double cpu_seconds() const;

 private:
  void Run();
  bool CompileAhead(std::unique_lock<std::mutex>& lock);
  // These let go of the lock in between.
  void KeepToBudget(std::unique_lock<std::mutex>& lock);
  void ServeReaders(std::unique_lock<std::mutex>& lock);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::vector<Request> requests_;
  bool await_readers_ = false;
  bool ahead_ = true;
  bool busy_ = false;
  bool finishing_ = false;
  bool stopping_ = false;
  Results results_;
  TableCompiler::Counts counts_;
  TableCompiler compiler_;  // the worker's thread only
  std::thread thread_;
};

}  // namespace kiln::agent
