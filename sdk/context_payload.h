/* SPDX-License-Identifier: Apache-2.0
 * The message ProcessContext (opentelemetry/proto/processcontext/v1development), written by hand: its two fields are
 * lists of key and string, so that a service needs no protobuf library for it. */
#ifndef KILN_SDK_CONTEXT_PAYLOAD_H_
#define KILN_SDK_CONTEXT_PAYLOAD_H_

#include <stddef.h>
#include <stdint.h>

#include "sdk/kiln/process_context.h"

enum {
  /* Readers take up to 64 KiB. */
  KILN_MAX_PAYLOAD_BYTES = 64 << 10
};

struct kiln_payload {
  uint8_t* bytes; /* malloc */
  size_t size;
};

/* `keys` are the names of thread attributes, in the order of their numbers. Returns 0, ENOMEM or E2BIG. */
int kiln_payload_encode(const struct kiln_attribute* resource, size_t resource_count, const char* const* keys,
                        size_t key_count, struct kiln_payload* payload);

#endif /* KILN_SDK_CONTEXT_PAYLOAD_H_ */
