// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/file_copy.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/programs/truth.h"

namespace kiln::programs {

void CopyOwnFile(const std::string& path) {
  const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const int to = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  struct stat info;
  if (from < 0 || to < 0 || fstat(from, &info) != 0) Die(path);
  for (off_t left = info.st_size; left > 0;) {
    const ssize_t copied = sendfile(to, from, nullptr, static_cast<size_t>(left));
    if (copied <= 0) Die(path);
    left -= copied;
  }
  close(from);
  close(to);  // a file that is open for writing can't be executed
}

std::string MakeTempDirectory(const std::string& name) {
  const char* root = getenv("TMPDIR");
  std::string path = std::string(root ? root : "/tmp") + "/kiln-" + name + "-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) Die(path);
  return path;
}

}  // namespace kiln::programs
