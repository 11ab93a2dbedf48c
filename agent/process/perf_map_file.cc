// SPDX-License-Identifier: Apache-2.0
#include "agent/process/perf_map_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/process/object_files.h"

namespace kiln::agent {
namespace {

bool SharesMountNamespace(const Process& process) {
  struct stat own {};
  return process.mount_namespace != 0 && ::stat("/proc/self/ns/mnt", &own) == 0 &&
         own.st_ino == process.mount_namespace;
}

}  // namespace

std::shared_ptr<const File> FindPerfMap(const Process& process, std::vector<Pid> views) {
  struct stat owner {};
  const bool owner_known = ::stat(fmt::format("/proc/{}", process.pid.value).c_str(), &owner) == 0;
  if (SharesMountNamespace(process)) views.push_back({::getpid()});
  for (const Pid view : views) {
    for (const Pid name : {process.namespaced_pid, process.pid}) {
      if (name.value == 0) continue;
      auto file = File::Open(fmt::format("/proc/{}/root/tmp/perf-{}.map", view.value, name.value));
      if (!file.ok() || file->fd() > LastObjectFd()) continue;
      const uid_t uid = file->stat().st_uid;
      if (uid != 0 && owner_known && uid != owner.st_uid) continue;
      return std::make_shared<const File>(*std::move(file));
    }
  }
  return nullptr;
}

}  // namespace kiln::agent
