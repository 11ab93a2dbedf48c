// SPDX-License-Identifier: Apache-2.0
// SQLite lets its system calls be replaced one by one (sqlite3_vfs.xSetSystemCall); what is not broken goes on to the
// system. Functions without context, so the state is of the file.
#include "pipeline/testing/sqlite_faults.h"

#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace kiln::pipeline {
namespace {

std::atomic<int> write_error = 0;
std::atomic<int> read_error = 0;
std::function<void()>& Hook() {
  static std::function<void()> hook;
  return hook;
}

bool WriteFails() {
  if (Hook()) Hook()();
  errno = write_error;
  return write_error != 0;
}

ssize_t Write(int fd, const void* data, size_t size) { return WriteFails() ? -1 : ::write(fd, data, size); }
ssize_t PWrite(int fd, const void* data, size_t size, off_t offset) {
  return WriteFails() ? -1 : ::pwrite(fd, data, size, offset);
}
int FTruncate(int fd, off_t size) { return WriteFails() ? -1 : ::ftruncate(fd, size); }
int Unlink(const char* path) { return WriteFails() ? -1 : ::unlink(path); }
ssize_t Read(int fd, void* data, size_t size) {
  errno = read_error;
  return read_error != 0 ? -1 : ::read(fd, data, size);
}
ssize_t PRead(int fd, void* data, size_t size, off_t offset) {
  errno = read_error;
  return read_error != 0 ? -1 : ::pread(fd, data, size, offset);
}

void Replace(const char* name, sqlite3_syscall_ptr function) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  vfs->xSetSystemCall(vfs, name, function);
}

template <typename Function>
sqlite3_syscall_ptr Pointer(Function* function) {
  return reinterpret_cast<sqlite3_syscall_ptr>(function);
}

}  // namespace

SqliteFaults::SqliteFaults() {
  Replace("write", Pointer(&Write));
  Replace("pwrite", Pointer(&PWrite));
  Replace("pwrite64", Pointer(&PWrite));
  Replace("ftruncate", Pointer(&FTruncate));
  Replace("unlink", Pointer(&Unlink));
  Replace("read", Pointer(&Read));
  Replace("pread", Pointer(&PRead));
  Replace("pread64", Pointer(&PRead));
}

SqliteFaults::~SqliteFaults() {
  for (const char* name : {"write", "pwrite", "pwrite64", "ftruncate", "unlink", "read", "pread", "pread64"}) {
    Replace(name, nullptr);
  }
  write_error = read_error = 0;
  Hook() = nullptr;
}

void SqliteFaults::FailWrites(int error_number) { write_error = error_number; }
void SqliteFaults::FailReads(int error_number) { read_error = error_number; }
void SqliteFaults::BeforeWrite(std::function<void()> hook) { Hook() = std::move(hook); }

}  // namespace kiln::pipeline
