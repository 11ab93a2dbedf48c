/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sdk/context_mapping.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Headers may be older than the kernel. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static const char kName[] = "OTEL_CTX";
enum { kVersion = 2 };

_Static_assert(sizeof(struct kiln_context_header) == 32, "OTEP 4719");
_Static_assert(offsetof(struct kiln_context_header, published_at_ns) == 16, "OTEP 4719");

static uint64_t BootTimeNs(void) {
  struct timespec now = {0, 0};
  (void)clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t MappingBytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Readers on other processors look at any instant: what is before must be seen before what is after. Not
 * __atomic_thread_fence, which gcc refuses under -fsanitize=thread, and services may be built with that. */
static void Fence(void) { __sync_synchronize(); }

static bool SetName(struct kiln_context_header* header) {
  return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, header, MappingBytes(), kName) == 0;
}

/* MAP_FAILED where memfds are not allowed. */
static void* MapMemfd(void) {
  int fd = memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0) fd = memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
  if (fd < 0) return MAP_FAILED;
  void* mapping = MAP_FAILED;
  if (ftruncate(fd, (off_t)MappingBytes()) == 0) {
    mapping = mmap(NULL, MappingBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  }
  (void)close(fd);
  return mapping;
}

static void WritePayload(struct kiln_context_header* header, const uint8_t* payload, size_t bytes) {
  __atomic_store_n(&header->payload, (uint64_t)(uintptr_t)payload, __ATOMIC_RELAXED);
  __atomic_store_n(&header->payload_bytes, (uint32_t)bytes, __ATOMIC_RELAXED);
}

static int Create(struct kiln_context_header** header, const uint8_t* payload, size_t bytes) {
  void* mapping = MapMemfd();
  const bool has_name = mapping != MAP_FAILED;
  if (!has_name) mapping = mmap(NULL, MappingBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return errno;
  /* A child must not show what its parent is. */
  if (madvise(mapping, MappingBytes(), MADV_DONTFORK) != 0) {
    const int error = errno;
    (void)munmap(mapping, MappingBytes());
    return error;
  }
  struct kiln_context_header* const made = mapping;
  memcpy(made->signature, kName, sizeof(made->signature));
  made->version = kVersion;
  WritePayload(made, payload, bytes);
  Fence();
  __atomic_store_n(&made->published_at_ns, BootTimeNs(), __ATOMIC_RELAXED);
  if (!SetName(made) && !has_name) {
    const int error = errno;
    (void)munmap(mapping, MappingBytes());
    return error;
  }
  *header = made;
  return 0;
}

int kiln_mapping_publish(struct kiln_context_header** header, const uint8_t* payload, size_t bytes) {
  if (*header == NULL) return Create(header, payload, bytes);
  struct kiln_context_header* const at = *header;
  const uint64_t before = at->published_at_ns;
  __atomic_store_n(&at->published_at_ns, 0, __ATOMIC_RELAXED);
  Fence();
  WritePayload(at, payload, bytes);
  Fence();
  const uint64_t now = BootTimeNs();
  __atomic_store_n(&at->published_at_ns, now > before ? now : before + 1, __ATOMIC_RELAXED);
  (void)SetName(at); /* some readers wait for this call */
  return 0;
}

void kiln_mapping_withdraw(struct kiln_context_header** header) {
  if (*header == NULL) return;
  __atomic_store_n(&(*header)->published_at_ns, 0, __ATOMIC_RELAXED);
  Fence();
  (void)munmap(*header, MappingBytes());
  *header = NULL;
}
