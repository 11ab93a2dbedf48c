// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/collect/raw_sample.h"
#include "agent/collect/side_band_event.h"
#include "agent/process/locator.h"
#include "agent/process/process_table.h"
#include "agent/unwind/code_ranges.h"
#include "agent/unwind/kernel_tables.h"
#include "agent/unwind/process_publisher.h"
#include "agent/unwind/shared_memory.h"
#include "agent/unwind/stack_walker.h"
#include "agent/unwind/table_memory.h"
#include "agent/unwind/table_worker.h"
#include "agent/unwind/unwind_tables.h"

namespace kiln::agent {

struct UnwinderOptions {
  uint64_t memory_bytes = 64 << 20;  // of table memory
  std::string cache_folder;          // "" = no cache on disk
};

// Keeps the kernel side able to walk user stacks, and walks those itself that it could not.
//
// A stack that the kernel side lacks tables for comes with registers and memory. It is walked here by the same rules at
// once, or, while pages of tables are being made, it waits for them. Meanwhile the kernel side learns of the process
// and gets the pages, so that the next stack needs no copy.
//
// Thread-compatible: on the collector's thread. Samples and events come in the order of their time.
class Unwinder {
 public:
  struct Counts {
    uint64_t copied = 0;           // samples that came with a copy of their stack
    uint64_t walked = 0;           // thereof walked to an end here
    uint64_t waited = 0;           // thereof after waiting for pages
    uint64_t not_awaited = 0;      // cut, because too many were waiting
    uint64_t replaced = 0;         // cut, because the code was another one by then
    uint64_t processes = 0;        // times that the kernel side was told about a process
    uint64_t processes_full = 0;   // times that it could not be told
    uint64_t derived_samples = 0;  // with frames reached by derived rules
  };
  // What a finished sample is handed to.
  using Deliver = absl::FunctionRef<void(const RawSample&, const ProcessMoment&)>;

  // `wake` is called, also on another thread, when EndBatch has something to do.
  Unwinder(KernelTables& kernel, ProcessTable& processes, Locator& locator, const UnwinderOptions& options,
           std::function<void()> wake);
  ~Unwinder();

  // Before the first sample: takes the tables from the cache that these processes probably need, and puts them in
  // place, for `timeout` at most.
  void Prepare(std::span<Process* const> processes, std::chrono::nanoseconds timeout);
  // `process` took `sample`. Delivers it, or keeps it until pages are there.
  void OnSample(const RawSample& sample, Process& process, Deliver deliver);
  // After the process table has got the event.
  void OnSideBand(const SideBandEvent& event);
  // After each batch: takes what the worker has done, delivers what waited for it, tells the kernel side.
  void EndBatch(Deliver deliver);
  // No sample comes any more: delivers all that wait.
  void Finish(Deliver deliver);

  // Forgets the tables of files that no process has mapped any more which was sampled.
  void ForgetUnusedTables();
  // The samples that wait for pages: they and their processes have to stay.
  void ForEachWaiting(absl::FunctionRef<void(const RawSample&, const Process&)> visit) const;

  const Counts& counts() const { return counts_; }
  const UnwindTables::Counts& table_counts() const { return tables_.counts(); }
  TableCompiler::Counts compiler_counts() const { return worker_.counts(); }
  double worker_cpu_seconds() const { return worker_.cpu_seconds(); }
  const TableMemory& memory() const { return memory_; }

 private:
  // The code of one state of a process's mappings.
  struct Code {
    std::vector<kiln_code_range> ranges;
    std::vector<uint32_t> objects;  // whose tables the ranges refer to
    uint64_t version;               // names `ranges`; two of one state differ where memory was lacking for the first
  };
  // A sample that waits for a page, with all that it points to.
  struct Waiting {
    RawSample sample;
    std::vector<uint64_t> words;
    kiln_stack header;
    std::vector<std::byte> stack;
    Process* process;
    std::shared_ptr<const MappingTable> mappings;
    uint32_t generation;
    std::shared_ptr<const Code> code;
    int rounds = 0;
  };
  struct Known {  // of a process
    ImageId image;
    std::shared_ptr<const Code> code;
    ProcessPublisher::Facts facts{};
    bool to_publish = false;
    uint32_t unknown_addresses = 0;  // that were looked for in vain
  };

  std::shared_ptr<const Code> CodeOf(Process& process, uint64_t time_ns);
  kiln_code_range RangeOf(const Process& process, const Mapping& mapping, std::vector<uint32_t>& objects);
  // Walks the copied stack. True if that is final; else `missing` is what it lacks.
  bool Walk(const StackCopy& stack, const Code& code, StackWalker::Walked& walked, PageId& missing);
  // Has the page made that the last frame of `words` lies in; `page` is valid if it comes.
  UnwindTables::Answer RequestPageOf(std::span<const uint64_t> words, const Code& code, PageId& page);
  // Has the pages made of all code that words of the copied stack point into: most are return addresses of this stack
  // or of the last ones. Otherwise each walk would tell of one page that it lacks, and only then of the next.
  void RequestPagesOn(const StackCopy& stack, const Code& code);
  void Learn(const RawSample& sample, Process& process, const std::shared_ptr<const Code>& code);
  void Wait(const RawSample& sample, Process& process, std::shared_ptr<const Code> code, PageId missing);
  void Retry(PageId page, Deliver deliver);
  // What is made without need gets half of the memory: the rest is for what is needed.
  bool IsMemoryShort() const { return memory_.allocated_bytes() > memory_.budget_bytes() / 2; }
  // Puts some of the pages in place that were made ahead, and adds them to `placed`.
  void PlaceAhead(std::vector<PageId>& placed);
  // False if the worker had done nothing.
  bool TakeResults(Deliver deliver);
  void DeliverWalked(RawSample sample, const StackWalker::Walked& walked, const ProcessMoment& moment, Deliver deliver);
  // True if the code of the process that `facts` tell of is another one by now.
  bool IsOutdated(Pid pid, const ProcessPublisher::Facts& facts);
  void Forget(Pid pid);
  void DeliverCut(RawSample sample, const ProcessMoment& moment, Deliver deliver);

  KernelTables& kernel_;
  ProcessTable& processes_;
  Locator& locator_;
  TableMemory memory_;
  SharedMemory shared_;
  std::function<void()> wake_;
  TableWorker worker_;
  UnwindTables tables_;
  StackWalker walker_;
  ProcessPublisher publisher_;

  absl::flat_hash_map<Pid, Known> known_;
  std::vector<Pid> to_publish_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<const Code>> code_by_mappings_;  // by MappingTable::version()
  uint64_t last_code_version_ = 0;
  absl::flat_hash_map<PageId, std::vector<std::unique_ptr<Waiting>>> waiting_;
  uint64_t waiting_bytes_ = 0;
  std::vector<CompiledPage> unplaced_;  // made, but there is no room yet
  std::deque<CompiledPage> ahead_;      // made without need, not in place yet
  uint64_t epoch_began_ns_ = 0;
  uint64_t next_wait_ns_ = 0;
  Counts counts_;
};

}  // namespace kiln::agent
