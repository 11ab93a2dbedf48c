/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells a profiler outside of this process what service it is: its resource attributes, and the names of the
 * attributes of thread contexts (thread_context.h), in a small named mapping (OpenTelemetry's OTEP 4719, process
 * context). Nothing is sent: who may read this process's memory reads it.
 */
#ifndef KILN_PROCESS_CONTEXT_H_
#define KILN_PROCESS_CONTEXT_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Both end with NUL and are UTF-8. Keys are those of OpenTelemetry's semantic conventions: "service.name". */
struct kiln_attribute {
  const char* key;
  const char* value;
};

/* Publishes this process's resource attributes, in place of those published before. They are copied. No key may be
 * there twice.
 * Returns 0, or what went wrong as errno has it: EINVAL = a key or value is NULL or a key is empty or there twice,
 * E2BIG = more than 64 KiB in all, ENOMEM, or why neither kind of mapping could be made. Nothing has changed then.
 *
 * After fork() the child has no context until it publishes its own; with the flag below it has that of its parent. The
 * attributes of its threads need one. Thread-safe; not for signal handlers. */
int kiln_process_context_publish(const struct kiln_attribute* resource, size_t count, unsigned flags);

enum {
  /* Children made by fork() publish the same attributes at once, without service.instance.id: that was the parent's. */
  KILN_PUBLISH_IN_CHILDREN = 1u
};

/* Takes the context back. Thread-safe. */
void kiln_process_context_withdraw(void);

#ifdef __cplusplus
}
#endif

#endif /* KILN_PROCESS_CONTEXT_H_ */
