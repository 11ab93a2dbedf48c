/* SPDX-License-Identifier: Apache-2.0
 * The mapping that readers find a process context by, and how it is changed under their eyes: OTEP 4719, "Publication
 * Protocol" and "Updating Protocol". One thread at a time. */
#ifndef KILN_SDK_CONTEXT_MAPPING_H_
#define KILN_SDK_CONTEXT_MAPPING_H_

#include <stddef.h>
#include <stdint.h>

/* Host byte order. A published_at_ns of 0 = it is being changed. */
struct kiln_context_header {
  char signature[8];
  uint32_t version;
  uint32_t payload_bytes;
  uint64_t published_at_ns; /* CLOCK_BOOTTIME */
  uint64_t payload;         /* address in this process */
};

/* Makes `payload` what readers see; it must stay there until the next call, or the withdrawal. `*header` is the
 * mapping, NULL = there is none yet. Returns 0, or what kept the mapping from being made as errno has it. */
int kiln_mapping_publish(struct kiln_context_header** header, const uint8_t* payload, size_t bytes);

void kiln_mapping_withdraw(struct kiln_context_header** header);

#endif /* KILN_SDK_CONTEXT_MAPPING_H_ */
