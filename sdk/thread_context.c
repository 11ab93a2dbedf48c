/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/kiln/thread_context.h"

#include <stdbool.h>
#include <string.h>

#define KILN_EXPORT __attribute__((visibility("default")))

/* Readers find it by this name in .dynsym, and the way to it by the relocations of its module: its accesses are all in
 * this file. */
KILN_EXPORT __thread const struct kiln_context_record* otel_thread_ctx_v1;

_Static_assert(sizeof(struct kiln_context_record) == KILN_CONTEXT_RECORD_BYTES, "no padding");
_Static_assert(offsetof(struct kiln_context_record, valid) == 24, "OTEP 4947");
_Static_assert(offsetof(struct kiln_context_record, attribute_bytes) == 26, "OTEP 4947");
_Static_assert(offsetof(struct kiln_context_record, attributes) == KILN_CONTEXT_HEADER_BYTES, "OTEP 4947");

enum { kEntryHeaderBytes = 2 };

/* A reader sees this thread as a signal handler would: between two instructions. So the compiler must keep the order
 * of writes; the processor does, for itself. */
static void Fence(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

/* `slot` is the calling thread's otel_thread_ctx_v1: finding it costs a call, so functions do it once. */
static void Publish(const struct kiln_context_record** slot, const struct kiln_context_record* record) {
  Fence();
  __atomic_store_n(slot, record, __ATOMIC_RELAXED);
  Fence();
}

static void SetSize(struct kiln_context_record* record, size_t bytes) {
  Fence();
  __atomic_store_n(&record->attribute_bytes, (uint16_t)bytes, __ATOMIC_RELAXED);
  Fence();
}

static bool IsZero(const uint8_t* bytes, size_t count) {
  uint8_t any = 0;
  for (size_t i = 0; i < count; ++i) any |= bytes[i];
  return any == 0;
}

/* Where the entry of `key` begins; attribute_bytes = there is none. */
static size_t Find(const struct kiln_context_record* record, int key) {
  size_t at = 0;
  while (at < record->attribute_bytes && record->attributes[at] != key) {
    at += kEntryHeaderBytes + (size_t)record->attributes[at + 1];
  }
  return at;
}

/* How much of UTF-8 text of `bytes` bytes may stay without cutting a character. */
static size_t CutBytes(const char* value, size_t bytes) {
  if (bytes <= KILN_CONTEXT_VALUE_BYTES) return bytes;
  size_t end = KILN_CONTEXT_VALUE_BYTES;
  /* A byte 10xxxxxx goes on with a character, of four bytes at most. */
  for (int i = 0; i < 3 && end > 0 && ((unsigned char)value[end] & 0xc0) == 0x80; ++i) --end;
  return ((unsigned char)value[end] & 0xc0) == 0x80 ? KILN_CONTEXT_VALUE_BYTES : end;
}

/* memcpy for values, most of which are short: a call would cost more than they do. */
static void CopyValue(uint8_t* to, const char* from, size_t bytes) {
  if (bytes > 32) {
    memcpy(to, from, bytes);
  } else if (bytes >= 16) {
    memcpy(to, from, 16);
    memcpy(to + bytes - 16, from + bytes - 16, 16);
  } else if (bytes >= 8) {
    memcpy(to, from, 8);
    memcpy(to + bytes - 8, from + bytes - 8, 8);
  } else {
    for (size_t i = 0; i < bytes; ++i) to[i] = (uint8_t)from[i];
  }
}

static void Remove(struct kiln_context_record* record, size_t at) {
  const size_t bytes = kEntryHeaderBytes + (size_t)record->attributes[at + 1];
  const size_t end = record->attribute_bytes;
  if (at + bytes < end) memmove(record->attributes + at, record->attributes + at + bytes, end - at - bytes);
  record->attribute_bytes = (uint16_t)(end - bytes);
}

KILN_EXPORT void kiln_context_record_init(struct kiln_context_record* record, const uint8_t* trace_id,
                                          const uint8_t* span_id, uint8_t trace_flags) {
  kiln_context_record_init_child(record, NULL, trace_id, span_id, trace_flags);
}

KILN_EXPORT void kiln_context_record_init_child(struct kiln_context_record* record,
                                                const struct kiln_context_record* parent, const uint8_t* trace_id,
                                                const uint8_t* span_id, uint8_t trace_flags) {
  /* Both or neither: "If either of trace-id/span-id are set, both must be set." */
  const bool has_span = trace_id != NULL && span_id != NULL && !IsZero(trace_id, sizeof(record->trace_id)) &&
                        !IsZero(span_id, sizeof(record->span_id));
  memset(record, 0, KILN_CONTEXT_HEADER_BYTES);
  if (has_span) {
    memcpy(record->trace_id, trace_id, sizeof(record->trace_id));
    memcpy(record->span_id, span_id, sizeof(record->span_id));
    record->trace_flags = trace_flags;
  }
  if (parent != NULL) {
    record->attribute_bytes = parent->attribute_bytes;
    memcpy(record->attributes, parent->attributes, parent->attribute_bytes);
  }
  record->valid = 1;
}

KILN_EXPORT int kiln_context_record_set(struct kiln_context_record* record, int key, const char* value, size_t bytes) {
  if (key < 0 || key >= KILN_ATTRIBUTE_KEYS) return -1;
  bytes = CutBytes(value, bytes);
  const size_t at = Find(record, key);
  const bool replaces = at < record->attribute_bytes;
  const size_t others =
      record->attribute_bytes - (replaces ? kEntryHeaderBytes + (size_t)record->attributes[at + 1] : 0);
  if (others + kEntryHeaderBytes + bytes > KILN_CONTEXT_ATTRIBUTE_BYTES) return -1;
  /* Appending needs no more care than that the size comes last. What moves entries must not be seen. */
  const struct kiln_context_record** const slot = replaces ? &otel_thread_ctx_v1 : NULL;
  const bool hides = replaces && *slot == record;
  if (hides) Publish(slot, NULL);
  if (replaces) Remove(record, at);
  uint8_t* const entry = record->attributes + others;
  entry[0] = (uint8_t)key;
  entry[1] = (uint8_t)bytes;
  CopyValue(entry + kEntryHeaderBytes, value, bytes);
  SetSize(record, others + kEntryHeaderBytes + bytes);
  if (hides) Publish(slot, record);
  return (int)bytes;
}

KILN_EXPORT void kiln_context_record_clear(struct kiln_context_record* record, int key) {
  const size_t at = Find(record, key);
  if (at >= record->attribute_bytes) return;
  const struct kiln_context_record** const slot = &otel_thread_ctx_v1;
  const bool hides = *slot == record;
  if (hides) Publish(slot, NULL);
  Remove(record, at);
  if (hides) Publish(slot, record);
}

KILN_EXPORT const char* kiln_context_record_get(const struct kiln_context_record* record, int key, size_t* bytes) {
  const size_t at = Find(record, key);
  if (at >= record->attribute_bytes) return NULL;
  *bytes = record->attributes[at + 1];
  return (const char*)record->attributes + at + kEntryHeaderBytes;
}

KILN_EXPORT const struct kiln_context_record* kiln_context_attach(const struct kiln_context_record* record) {
  const struct kiln_context_record** const slot = &otel_thread_ctx_v1;
  const struct kiln_context_record* const before = *slot;
  Publish(slot, record);
  return before;
}

KILN_EXPORT const struct kiln_context_record* kiln_context_current(void) { return otel_thread_ctx_v1; }
