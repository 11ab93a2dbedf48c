// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/unwind_tables.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "symbolizer/unwind/code_span.h"

namespace kiln::agent {
namespace {

// So often may a page be made in vain because there was no room for it.
constexpr uint8_t kMaxRefusals = 8;

void Store(uint32_t& word, uint32_t value) { std::atomic_ref(word).store(value, std::memory_order_release); }
uint32_t Load(uint32_t& word) { return std::atomic_ref(word).load(std::memory_order_relaxed); }

size_t DirectoryBytes(uint32_t page_count) {
  return offsetof(kiln_directory, pages) + size_t{page_count} * sizeof(kiln_ref);
}

}  // namespace

kiln_directory* UnwindTables::DirectoryOf(const Object& object) {
  return reinterpret_cast<kiln_directory*>(memory_.memory().Words(object.table.directory).data());
}

StatusOr<UnwindTables::Table> UnwindTables::Find(uint32_t object, const symbolizer::ElfFile& elf,
                                                 absl::FunctionRef<DebugFilePlaces()> places) {
  if (const auto found = objects_.find(object); found != objects_.end()) return found->second.table;
  KILN_ASSIGN_OR_RETURN(const symbolizer::CodeSpan span, symbolizer::FindCodeSpan(elf));
  const uint32_t page_count = std::min<uint32_t>(span.page_count, KILN_MAX_DIRECTORY_PAGES);
  const auto directory = AllocateEvicting(DirectoryBytes(page_count));
  if (!directory) return absl::UnavailableError("unwind table memory is used up");
  Object& added = objects_[object];
  added = {.elf = &elf,
           .places = std::make_shared<const DebugFilePlaces>(places()),
           .table = {.directory = *directory, .base = span.base},
           .page_count = page_count,
           .pages = std::vector<PageState>(page_count, PageState::kMissing),
           .refused = std::vector<uint8_t>(page_count)};
  kiln_directory& header = *DirectoryOf(added);
  header.page_count = page_count;
  header.table = object;
  header.tracked = KILN_NO_REGISTER;
  worker_.TakeCached({.table = object, .elf = added.elf, .places = added.places, .page = 0});
  return added.table;
}

std::optional<PageId> UnwindTables::PageOf(kiln_ref directory, uint64_t offset) const {
  const auto* header = memory_.memory().At<kiln_directory>(directory);
  const uint64_t page = offset >> KILN_PAGE_SHIFT;
  if (header == nullptr || page >= header->page_count) return std::nullopt;
  return PageId{.table = header->table, .page = static_cast<uint32_t>(page)};
}

bool UnwindTables::Request(PageId id) {
  const auto found = objects_.find(id.table);
  if (found == objects_.end() || id.page >= found->second.page_count) return false;
  Object& object = found->second;
  PageState& state = object.pages[id.page];
  if (state == PageState::kFailed || object.refused[id.page] >= kMaxRefusals) return false;
  if (state == PageState::kMissing) {
    state = PageState::kRequested;
    worker_.Compile({.table = id.table, .elf = object.elf, .places = object.places, .page = id.page});
  } else if (state == PageState::kRequested) {
    worker_.Hurry(id.table, id.page);
  }
  return true;
}

void UnwindTables::RequestLikely(PageId id) {
  const auto found = objects_.find(id.table);
  if (found == objects_.end() || id.page >= found->second.page_count) return;
  Object& object = found->second;
  if (object.pages[id.page] != PageState::kMissing || object.refused[id.page] != 0) return;
  object.pages[id.page] = PageState::kRequested;
  worker_.CompileLikely({.table = id.table, .elf = object.elf, .places = object.places, .page = id.page});
}

bool UnwindTables::Place(const CompiledPage& page) {
  Object& object = objects_.at(page.table);
  kiln_directory& directory = *DirectoryOf(object);
  PageState& state = object.pages[page.page];
  if (state == PageState::kLoaded) return true;  // made ahead, and asked for at the same time
  if (page.words.empty()) {
    state = PageState::kFailed;
    Store(directory.pages[page.page], KILN_PAGE_FAILED);
    return true;
  }
  const size_t bytes = page.words.size() * sizeof(uint32_t);
  const auto ref = AllocateEvicting(bytes);
  if (!ref) {
    if (memory_.is_waiting() || memory_.has_retired()) return false;
    // There is nothing left to evict.
    ++counts_.refused_pages;
    ++object.refused[page.page];
    state = PageState::kMissing;
    return true;
  }
  uint32_t* words = memory_.memory().Words(*ref).data();
  std::memcpy(words, page.words.data(), bytes);
  words[offsetof(kiln_page, last_used) / sizeof(uint32_t)] = epoch_;
  // Before the first page can be found, since its rows may mean this register.
  directory.tracked = page.tracked;
  Store(directory.pages[page.page], *ref);
  state = PageState::kLoaded;
  loaded_.push_back({.id = {page.table, page.page}, .ref = *ref, .bytes = static_cast<uint32_t>(bytes)});
  ++counts_.loaded_pages;
  counts_.page_bytes += bytes;
  return true;
}

std::optional<kiln_ref> UnwindTables::AllocateEvicting(size_t bytes) {
  if (const auto ref = memory_.memory().Allocate(bytes)) return ref;
  MakeRoom(bytes);
  return std::nullopt;
}

void UnwindTables::MakeRoom(size_t bytes) {
  // While what was evicted before is not free yet, more would empty the memory. What others retire does not count: in a
  // storm of processes there is always something.
  if (memory_.waits_ended() >= eviction_free_after_) Evict(bytes);
}

void UnwindTables::Evict(size_t bytes) {
  // An eighth at a time, since each round costs a wait for readers.
  const uint64_t wanted = std::max<uint64_t>(2 * bytes, memory_.memory().budget_bytes() / 8);
  std::ranges::stable_sort(loaded_, {}, [this](const LoadedPage& page) {
    return Load(memory_.memory().At<kiln_page>(page.ref)->last_used);
  });
  uint64_t evicted = 0;
  size_t count = 0;
  for (; count < loaded_.size() && evicted < wanted; ++count) {
    const LoadedPage& page = loaded_[count];
    Object& object = objects_.at(page.id.table);
    Store(DirectoryOf(object)->pages[page.id.page], KILN_PAGE_MISSING);
    object.pages[page.id.page] = PageState::kMissing;
    memory_.Retire(page.ref, page.bytes);
    evicted += page.bytes;
    --counts_.loaded_pages;
    counts_.page_bytes -= page.bytes;
    ++counts_.evicted_pages;
  }
  if (count > 0) eviction_free_after_ = memory_.next_wait();
  loaded_.erase(loaded_.begin(), loaded_.begin() + static_cast<ptrdiff_t>(count));
}

}  // namespace kiln::agent
