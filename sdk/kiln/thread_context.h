/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells a profiler outside of this process what a thread works on: the trace, the span, and attributes such as
 * http.route. The thread's context is a record in memory that a thread-local pointer, otel_thread_ctx_v1, leads to
 * (OpenTelemetry's OTEP 4947, thread context). Nothing is sent: a profiler that samples the thread reads it. Nothing
 * here allocates or enters the kernel, but for kiln_attribute_key.
 *
 * A record belongs to the work, not to the thread: put it on the stack of whatever handles a request, or into the
 * request, and attach it wherever the work goes on. It must stay where it is, and alive, as long as it is attached.
 *
 *   struct kiln_context_record record;
 *   kiln_context_record_init(&record, trace_id, span_id, trace_flags);
 *   const struct kiln_context_record* before = kiln_context_attach(&record);
 *   ... the work ...
 *   kiln_context_attach(before);
 *
 * Thread rule: a record is changed by the thread that it is attached to, or while it is attached to none. It may be
 * attached to several threads as long as nobody changes it. Signal handlers may read (kiln_context_current) at any
 * instant, and find the context whole.
 */
#ifndef KILN_THREAD_CONTEXT_H_
#define KILN_THREAD_CONTEXT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  /* Readers need not look at more of a record (OTEP 4947, "Thread-Local Context Record"). */
  KILN_CONTEXT_RECORD_BYTES = 640,
  KILN_CONTEXT_HEADER_BYTES = 28,
  KILN_CONTEXT_ATTRIBUTE_BYTES = KILN_CONTEXT_RECORD_BYTES - KILN_CONTEXT_HEADER_BYTES,
  /* Of one attribute. */
  KILN_CONTEXT_VALUE_BYTES = 255,
  /* Names of attributes in one process. */
  KILN_ATTRIBUTE_KEYS = 256
};

/* The layout is that of the specification, byte for byte. Use the functions below to change it. */
struct kiln_context_record {
  uint8_t trace_id[16]; /* W3C byte order; zeros = none, then span_id and trace_flags are zero too */
  uint8_t span_id[8];
  uint8_t valid; /* 1 */
  uint8_t trace_flags;
  uint16_t attribute_bytes;
  uint8_t attributes[KILN_CONTEXT_ATTRIBUTE_BYTES]; /* {key, length, value} one after the other */
}
#if defined(__GNUC__)
__attribute__((aligned(8)))
#endif
;

/* A record without attributes. `trace_id` (16 bytes) and `span_id` (8 bytes) are in the order in which W3C Trace
 * Context prints them; NULL for either, or zeros, = a context without a span, for attributes alone. The record must
 * not be attached. */
void kiln_context_record_init(struct kiln_context_record* record, const uint8_t* trace_id, const uint8_t* span_id,
                              uint8_t trace_flags);

/* As _init, and with the attributes of `parent` (NULL = none): those of a request hold for the spans within it. */
void kiln_context_record_init_child(struct kiln_context_record* record, const struct kiln_context_record* parent,
                                    const uint8_t* trace_id, const uint8_t* span_id, uint8_t trace_flags);

/* Sets the attribute to `bytes` bytes of UTF-8. `key` is from kiln_attribute_key. A longer value than
 * KILN_CONTEXT_VALUE_BYTES is cut, between two characters.
 * Returns how many bytes of the value were taken; -1 = none of them, and nothing changed: the record is full, or `key`
 * is not one. */
int kiln_context_record_set(struct kiln_context_record* record, int key, const char* value, size_t bytes);

/* Removes the attribute, if it is there. */
void kiln_context_record_clear(struct kiln_context_record* record, int key);

/* The value of the attribute, with its length in `*bytes`, until the record is changed; NULL = it is not there. */
const char* kiln_context_record_get(const struct kiln_context_record* record, int key, size_t* bytes);

/* Makes `record` the calling thread's context; NULL = none. Returns what was its context before. */
const struct kiln_context_record* kiln_context_attach(const struct kiln_context_record* record);

/* The calling thread's context; NULL = none. */
const struct kiln_context_record* kiln_context_current(void);

/* The key of the attribute `name`, which is registered for the whole process if it was not: from 0 on, the same for
 * the same name. Names are for good, and seen by readers through the process context (process_context.h).
 * Returns -1 if KILN_ATTRIBUTE_KEYS names are there already, or no memory. Takes a lock: keep the key. Thread-safe. */
int kiln_attribute_key(const char* name);

#ifdef __cplusplus
}
#endif

#endif /* KILN_THREAD_CONTEXT_H_ */
