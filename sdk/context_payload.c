/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/context_payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of fields: opentelemetry/proto/processcontext/v1development/process_context.proto, resource.proto and
 * common.proto. */
enum {
  kContextResource = 1,
  kContextAttributes = 2,
  kResourceAttributes = 1,
  kKeyValueKey = 1,
  kKeyValueValue = 2,
  kAnyValueString = 1,
  kAnyValueArray = 5,
  kArrayValueValues = 1,
  kLengthDelimited = 2, /* wire type */
};

static const char kSchemaKey[] = "threadlocal.schema_version";
/* What readers know by now; OTEP 4947 means to call it tls_v1 once it is stable. */
static const char kSchema[] = "tlsdesc_v1_dev";
static const char kKeyMapKey[] = "threadlocal.attribute_key_map";

static size_t VarintBytes(size_t value) {
  size_t bytes = 1;
  while (value >>= 7) ++bytes;
  return bytes;
}

/* All field numbers here are below 16, so that a tag has one byte. */
static size_t FieldBytes(size_t content) { return 1 + VarintBytes(content) + content; }

static uint8_t* PutField(uint8_t* at, int field, size_t content) {
  *at++ = (uint8_t)(field << 3 | kLengthDelimited);
  for (; content > 0x7f; content >>= 7) *at++ = (uint8_t)(content | 0x80);
  *at++ = (uint8_t)content;
  return at;
}

static uint8_t* PutText(uint8_t* at, int field, const char* text, size_t bytes) {
  at = PutField(at, field, bytes);
  if (bytes != 0) memcpy(at, text, bytes);
  return at + bytes;
}

static size_t StringValueBytes(const char* value) { return FieldBytes(strlen(value)); }

static size_t PairBytes(const char* key, size_t value_bytes) {
  return FieldBytes(strlen(key)) + FieldBytes(value_bytes);
}

static uint8_t* PutPair(uint8_t* at, const char* key, const char* value) {
  at = PutText(at, kKeyValueKey, key, strlen(key));
  at = PutField(at, kKeyValueValue, StringValueBytes(value));
  return PutText(at, kAnyValueString, value, strlen(value));
}

int kiln_payload_encode(const struct kiln_attribute* resource, size_t resource_count, const char* const* keys,
                        size_t key_count, struct kiln_payload* payload) {
  size_t resource_bytes = 0;
  for (size_t i = 0; i < resource_count; ++i) {
    resource_bytes += FieldBytes(PairBytes(resource[i].key, StringValueBytes(resource[i].value)));
    if (resource_bytes > KILN_MAX_PAYLOAD_BYTES) return E2BIG;
  }
  size_t values_bytes = 0;
  for (size_t i = 0; i < key_count; ++i) values_bytes += FieldBytes(StringValueBytes(keys[i]));
  const size_t array_bytes = FieldBytes(values_bytes);
  const size_t schema_bytes = PairBytes(kSchemaKey, StringValueBytes(kSchema));
  const size_t map_bytes = PairBytes(kKeyMapKey, array_bytes);
  const size_t size = FieldBytes(resource_bytes) + FieldBytes(schema_bytes) + FieldBytes(map_bytes);
  if (size > KILN_MAX_PAYLOAD_BYTES) return E2BIG;

  uint8_t* const bytes = malloc(size);
  if (bytes == NULL) return ENOMEM;
  uint8_t* at = PutField(bytes, kContextResource, resource_bytes);
  for (size_t i = 0; i < resource_count; ++i) {
    at = PutField(at, kResourceAttributes, PairBytes(resource[i].key, StringValueBytes(resource[i].value)));
    at = PutPair(at, resource[i].key, resource[i].value);
  }
  at = PutField(at, kContextAttributes, schema_bytes);
  at = PutPair(at, kSchemaKey, kSchema);
  at = PutField(at, kContextAttributes, map_bytes);
  at = PutText(at, kKeyValueKey, kKeyMapKey, strlen(kKeyMapKey));
  at = PutField(at, kKeyValueValue, array_bytes);
  at = PutField(at, kAnyValueArray, values_bytes);
  for (size_t i = 0; i < key_count; ++i) {
    at = PutField(at, kArrayValueValues, StringValueBytes(keys[i]));
    at = PutText(at, kAnyValueString, keys[i], strlen(keys[i]));
  }
  payload->bytes = bytes;
  payload->size = (size_t)(at - bytes);
  return 0;
}
