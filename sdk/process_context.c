/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sdk/kiln/process_context.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/context_mapping.h"
#include "sdk/context_payload.h"
#include "sdk/kiln/thread_context.h"

#define KILN_EXPORT __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_handlers = PTHREAD_ONCE_INIT;

/* Under `lock`. */
static struct {
  struct kiln_attribute* resource; /* NULL = nothing is published; keys and values are malloc-ed too */
  size_t resource_count;
  unsigned flags;
  char* keys[KILN_ATTRIBUTE_KEYS];
  size_t key_count;
  struct kiln_payload payload; /* what readers look at */
  struct kiln_context_header* mapping;
  pid_t pid; /* that made the mapping: a child does not have it */
} state;

static void FreeResource(struct kiln_attribute* resource, size_t count) {
  for (size_t i = 0; resource != NULL && i < count; ++i) {
    free((char*)resource[i].key);
    free((char*)resource[i].value);
  }
  free(resource);
}

static int CopyResource(const struct kiln_attribute* resource, size_t count, struct kiln_attribute** copy) {
  *copy = calloc(count + 1, sizeof(**copy)); /* not NULL for an empty one */
  if (*copy == NULL) return ENOMEM;
  for (size_t i = 0; i < count; ++i) {
    (*copy)[i].key = strdup(resource[i].key);
    (*copy)[i].value = strdup(resource[i].value);
    if ((*copy)[i].key == NULL || (*copy)[i].value == NULL) {
      FreeResource(*copy, count);
      return ENOMEM;
    }
  }
  return 0;
}

static bool IsValid(const struct kiln_attribute* resource, size_t count) {
  if (resource == NULL && count != 0) return false;
  for (size_t i = 0; i < count; ++i) {
    if (resource[i].key == NULL || resource[i].value == NULL || resource[i].key[0] == '\0') return false;
    for (size_t k = 0; k < i; ++k) {
      if (strcmp(resource[k].key, resource[i].key) == 0) return false;
    }
  }
  return true;
}

/* Publishes `resource` and the keys as they are now. */
static int Publish(const struct kiln_attribute* resource, size_t count) {
  struct kiln_payload payload;
  int error = kiln_payload_encode(resource, count, (const char* const*)state.keys, state.key_count, &payload);
  if (error != 0) return error;
  /* A child that no fork handler ran in, as after clone(). */
  if (state.mapping != NULL && state.pid != getpid()) state.mapping = NULL;
  error = kiln_mapping_publish(&state.mapping, payload.bytes, payload.size);
  if (error != 0) {
    free(payload.bytes);
    return error;
  }
  state.pid = getpid();
  free(state.payload.bytes);
  state.payload = payload;
  return 0;
}

static void RemoveInstance(void) {
  for (size_t i = 0; i < state.resource_count; ++i) {
    if (strcmp(state.resource[i].key, "service.instance.id") != 0) continue;
    free((char*)state.resource[i].key);
    free((char*)state.resource[i].value);
    state.resource[i] = state.resource[--state.resource_count];
    return;
  }
}

static void BeforeFork(void) { (void)pthread_mutex_lock(&lock); }
static void InParent(void) { (void)pthread_mutex_unlock(&lock); }
static void InChild(void) {
  state.mapping = NULL;
  if (state.resource != NULL && (state.flags & KILN_PUBLISH_IN_CHILDREN) != 0) {
    RemoveInstance();
    (void)Publish(state.resource, state.resource_count);
  } else {
    FreeResource(state.resource, state.resource_count);
    state.resource = NULL;
    state.resource_count = 0;
  }
  (void)pthread_mutex_unlock(&lock);
}
static void RegisterForkHandlers(void) { (void)pthread_atfork(BeforeFork, InParent, InChild); }

static void Lock(void) {
  (void)pthread_once(&fork_handlers, RegisterForkHandlers);
  (void)pthread_mutex_lock(&lock);
}
static void Unlock(void) { (void)pthread_mutex_unlock(&lock); }

KILN_EXPORT int kiln_process_context_publish(const struct kiln_attribute* resource, size_t count, unsigned flags) {
  if (!IsValid(resource, count) || (flags & ~(unsigned)KILN_PUBLISH_IN_CHILDREN) != 0) return EINVAL;
  struct kiln_attribute* copy = NULL;
  int error = CopyResource(resource, count, &copy);
  if (error != 0) return error;
  Lock();
  error = Publish(copy, count);
  if (error == 0) {
    FreeResource(state.resource, state.resource_count);
    state.resource = copy;
    state.resource_count = count;
    state.flags = flags;
  }
  Unlock();
  if (error != 0) FreeResource(copy, count);
  return error;
}

KILN_EXPORT void kiln_process_context_withdraw(void) {
  Lock();
  if (state.mapping != NULL && state.pid != getpid()) state.mapping = NULL;
  kiln_mapping_withdraw(&state.mapping);
  FreeResource(state.resource, state.resource_count);
  state.resource = NULL;
  state.resource_count = 0;
  free(state.payload.bytes);
  state.payload.bytes = NULL;
  Unlock();
}

/* Under `lock`. */
static int AddKey(const char* name) {
  for (size_t i = 0; i < state.key_count; ++i) {
    if (strcmp(state.keys[i], name) == 0) return (int)i;
  }
  if (state.key_count == KILN_ATTRIBUTE_KEYS) return -1;
  char* const copy = strdup(name);
  if (copy == NULL) return -1;
  state.keys[state.key_count++] = copy;
  /* A reader that meets the new key looks at the context again. */
  if (state.resource != NULL && Publish(state.resource, state.resource_count) != 0) {
    free(state.keys[--state.key_count]);
    return -1;
  }
  return (int)state.key_count - 1;
}

KILN_EXPORT int kiln_attribute_key(const char* name) {
  if (name == NULL || name[0] == '\0') return -1;
  Lock();
  const int key = AddKey(name);
  Unlock();
  return key;
}
