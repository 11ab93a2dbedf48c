// SPDX-License-Identifier: Apache-2.0
// Runs a part of a test in a child process that may take only so much memory more than it has.
#pragma once

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/file.h"

namespace kiln::symbolizer::testing {

// Sanitizers reserve terabytes: there is no limit under them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMemoryIsBounded = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr bool kMemoryIsBounded = false;
#else
inline constexpr bool kMemoryIsBounded = true;
#endif
#else
inline constexpr bool kMemoryIsBounded = true;
#endif

// Bytes of private writable memory: what RLIMIT_DATA counts.
inline uint64_t DataBytes() {
  const StatusOr<std::string> status = ReadFile("/proc/self/status", 64 * 1024);
  const size_t at = status.ok() ? status->find("VmData:") : std::string::npos;
  return at == std::string::npos ? 0 : std::strtoull(status->c_str() + at + 7, nullptr, 10) * 1024;
}

// What `work` returns in a child process, which may allocate `bytes`; "no memory" if it wanted more, "crashed" if it
// ended otherwise than by returning.
inline std::string InBoundedChild(uint64_t bytes, const std::function<std::string()>& work) {
  constexpr int kNoMemory = 3;
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    if (kMemoryIsBounded) {
      // What earlier tests have left free in the heap would not count.
      (void)::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
      (void)::malloc_trim(0);
      const rlimit limit{.rlim_cur = DataBytes() + bytes, .rlim_max = RLIM_INFINITY};
      (void)::setrlimit(RLIMIT_DATA, &limit);
    }
    std::string text;
    try {
      text = work();
    } catch (const std::bad_alloc&) {
      ::_exit(kNoMemory);
    }
    (void)!::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, count);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return "crashed";
  return WEXITSTATUS(status) == 0 ? text : "no memory";
}

}  // namespace kiln::symbolizer::testing
