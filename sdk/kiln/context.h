// SPDX-License-Identifier: Apache-2.0
// Tells a profiler outside of this process what service it is, and what each of its threads works on. The C++ side of
// process_context.h and thread_context.h, which say what is read where; C++20, header-only over the C library.
//
//   kiln::PublishProcess({{"service.name", "checkout"}, {"service.version", "1.4.2"}});
//
//   static const kiln::AttributeKey kRoute("http.route");      // once per process
//   kiln::ScopedSpan span(trace_id, span_id, trace_flags);      // what this thread does from here on
//   span.Set(kRoute, "/cart/{id}");
//
// Work that moves between threads (coroutines, thread pools) keeps a ContextRecord with the work, and attaches it by a
// ScopedContext around each piece that runs:
//
//   struct Job { kiln::ContextRecord context; … };
//   void Run(Job& job) { const kiln::ScopedContext scope(&job.context); … }
#ifndef KILN_CONTEXT_H_
#define KILN_CONTEXT_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include <kiln/process_context.h>
#include <kiln/thread_context.h>

namespace kiln {

using TraceId = std::span<const std::uint8_t, 16>;
using SpanId = std::span<const std::uint8_t, 8>;

// kiln_process_context_publish; children made by fork() publish the same but for service.instance.id. True if readers
// can see it now.
inline bool PublishProcess(std::span<const kiln_attribute> resource) {
  return kiln_process_context_publish(resource.data(), resource.size(), KILN_PUBLISH_IN_CHILDREN) == 0;
}
inline bool PublishProcess(std::initializer_list<kiln_attribute> resource) {
  return PublishProcess(std::span(resource.begin(), resource.size()));
}

// The name of an attribute, registered once for the process: make it static. A name too many (256) is no error, its
// values are not published.
class AttributeKey {
 public:
  explicit AttributeKey(const char* name) : index_(kiln_attribute_key(name)) {}
  int index() const { return index_; }  // -1 = one too many

 private:
  int index_;
};

// What work is done for: a trace and a span, or neither, and attributes. Has to stay where it is while it is attached.
// Thread rule: kiln_context_record's.
class ContextRecord {
 public:
  ContextRecord() { kiln_context_record_init(&record_, nullptr, nullptr, 0); }
  ContextRecord(TraceId trace_id, SpanId span_id, std::uint8_t trace_flags) {
    kiln_context_record_init(&record_, trace_id.data(), span_id.data(), trace_flags);
  }
  // A span within `parent` (nullptr = none), whose attributes hold for it too.
  ContextRecord(const kiln_context_record* parent, TraceId trace_id, SpanId span_id, std::uint8_t trace_flags) {
    kiln_context_record_init_child(&record_, parent, trace_id.data(), span_id.data(), trace_flags);
  }
  ContextRecord(const ContextRecord&) = delete;
  ContextRecord& operator=(const ContextRecord&) = delete;
  ~ContextRecord() { assert(kiln_context_current() != &record_ && "a record that is still attached"); }

  // False if nothing of it is published: the record is full, or the key is one too many. A value of more than 255 bytes
  // is cut.
  bool Set(const AttributeKey& key, std::string_view value) {
    return kiln_context_record_set(&record_, key.index(), value.data(), value.size()) >= 0;
  }
  void Clear(const AttributeKey& key) { kiln_context_record_clear(&record_, key.index()); }
  // Until the record is changed; nullopt = not there.
  std::optional<std::string_view> Get(const AttributeKey& key) const {
    std::size_t bytes = 0;
    const char* const value = kiln_context_record_get(&record_, key.index(), &bytes);
    return value == nullptr ? std::nullopt : std::optional(std::string_view(value, bytes));
  }

  const kiln_context_record* get() const { return &record_; }

 private:
  kiln_context_record record_;
};

// The calling thread works for `record` (nullptr = for nobody) until the end of the scope, then for what it worked for
// before. Scopes of one thread end in the reverse order of their beginning.
class ScopedContext {
 public:
  explicit ScopedContext(const ContextRecord* record)
      : before_(kiln_context_attach(record == nullptr ? nullptr : record->get())) {}
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;
  ~ScopedContext() { kiln_context_attach(before_); }

 private:
  const kiln_context_record* before_;
};

// A span of the calling thread, until the end of the scope. It has the attributes of the span around it.
class ScopedSpan {
 public:
  ScopedSpan(TraceId trace_id, SpanId span_id, std::uint8_t trace_flags)
      : record_(kiln_context_current(), trace_id, span_id, trace_flags), scope_(&record_) {}

  bool Set(const AttributeKey& key, std::string_view value) { return record_.Set(key, value); }
  void Clear(const AttributeKey& key) { record_.Clear(key); }

 private:
  ContextRecord record_;
  ScopedContext scope_;  // ends before the record does
};

}  // namespace kiln

#endif  // KILN_CONTEXT_H_
