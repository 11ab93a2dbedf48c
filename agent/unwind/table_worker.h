// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/unwind/reader_wait.h"
#include "agent/unwind/table_compiler.h"

namespace kiln::agent {

// Does what takes long for the collector's thread: compiles pages of unwind tables, on a thread that keeps to a budget
// of CPU time, and waits for readers. Thread-safe.
class TableWorker {
 public:
  struct Request {
    uint32_t table;
    std::shared_ptr<const symbolizer::ElfFile> elf;
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
  // A page that is probably needed: after all that were asked for by Compile.
  void CompileLikely(const Request& request);
  // A page that is under way is asked for by Compile.
  void Hurry(uint32_t table, uint32_t page);
  // The pages of a table that the cache has come ahead, after those that were asked for by Compile: the file was mapped
  // by a program that is sampled. `request.page` does not count.
  void TakeCached(const Request& request);
  // Nothing more will be asked for of this table: closes what it was made from.
  void Forget(uint32_t table);
  // Whether pages are made or taken from the cache that nobody has asked for yet (Results::ahead), when there is
  // nothing else to do. On at first.
  void SetAhead(bool on);
  // Waits until all BPF programs that run now have ended (ReaderWait).
  void AwaitReaders();

  Results Take();
  // Blocks until all that was asked for is done, for `timeout` at most.
  void AwaitIdle(std::chrono::nanoseconds timeout);
  // Blocks until all that was asked for is done. The budget does not count meanwhile.
  void Finish();

  // As of now; the sums over all tables.
  TableCompiler::Counts counts() const;
  // CPU time of the thread so far.
  double cpu_seconds() const;

 private:
  void Run();
  void TakeNextCached(std::unique_lock<std::mutex>& lock);
  // These let go of the lock in between. False if nothing is left to be made ahead.
  bool CompileAhead(std::unique_lock<std::mutex>& lock);
  void CompileNext(std::unique_lock<std::mutex>& lock);
  void KeepToBudget(std::unique_lock<std::mutex>& lock);

  bool IsIdle() const { return !busy_ && requests_.empty() && likely_.empty() && cached_.empty(); }
  void Enqueue(std::deque<Request>& queue, const Request& request);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::deque<Request> requests_;
  std::deque<Request> likely_;
  std::deque<Request> cached_;       // tables to be taken from the cache
  std::vector<uint32_t> forgotten_;  // tables that the compiler still has
  bool ahead_ = true;
  bool busy_ = false;
  bool finishing_ = false;
  bool stopping_ = false;
  Results results_;
  TableCompiler::Counts counts_;
  TableCompiler compiler_;  // the worker's thread only
  ReaderWait readers_;
  std::thread thread_;
};

}  // namespace kiln::agent
