// SPDX-License-Identifier: Apache-2.0
// changing: publishes contexts that change as fast as they can, each of which tells whether it is whole, until its
// standard input ends. Prints "ready TID", the thread whose context changes, and at the end how many changes there were
// and in how many seconds: "PROCESS_CHANGES THREAD_CHANGES SECONDS".
//
//   process: the attributes "count" and "count.again" are equal, "text" has as many characters as count % 1000
//   thread:  all bytes of trace id, span id and flags are equal; the attribute "text" has that many characters, and
//   each
//            of them is the letter of that number. "more" is changed in an attached record: as many x as its first
//            character says, 'a' = 0
#include <kiln/context.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

namespace {

std::atomic<bool> stop = false;
std::atomic<pid_t> thread_id = 0;

uint64_t ChangeProcess() {
  uint64_t count = 0;
  for (; !stop; ++count) {
    const std::string number = std::to_string(count);
    const std::string text(count % 1000, 'x');
    if (!kiln::PublishProcess({{"service.name", "changing"},
                               {"count", number.c_str()},
                               {"text", text.c_str()},
                               {"count.again", number.c_str()}}))
      break;
  }
  return count;
}

uint64_t ChangeThread() {
  const kiln::AttributeKey text("text");
  const kiln::AttributeKey more("more");
  thread_id = static_cast<pid_t>(::syscall(SYS_gettid));
  const std::string xs(25, 'x');
  uint64_t count = 0;
  for (; !stop; count += 4) {
    const auto number = static_cast<uint8_t>(1 + count / 4 % 200);
    std::array<uint8_t, 16> trace;
    std::array<uint8_t, 8> span;
    trace.fill(number);
    span.fill(number);
    kiln::ContextRecord record(trace, span, number);
    record.Set(text, std::string(number, static_cast<char>('a' + number % 26)));
    record.Set(more, "a");
    const kiln::ScopedContext scope(&record);
    for (const size_t length : {number % 25u, number / 10u}) {
      const char first = static_cast<char>('a' + length);
      record.Set(more, first + xs.substr(0, length));
    }
  }
  return count;
}

}  // namespace

int main() {
  uint64_t of_process = 0, of_thread = 0;
  const auto start = std::chrono::steady_clock::now();
  std::thread process([&] { of_process = ChangeProcess(); });
  std::thread thread([&] { of_thread = ChangeThread(); });
  while (thread_id == 0) std::this_thread::yield();
  std::printf("ready %d\n", thread_id.load());
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  stop = true;
  process.join();
  thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%llu %llu %.3f\n", static_cast<unsigned long long>(of_process),
              static_cast<unsigned long long>(of_thread), seconds.count());
}
