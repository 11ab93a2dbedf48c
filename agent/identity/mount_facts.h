// SPDX-License-Identifier: Apache-2.0
// What the mounts of a process tell of its container, where its cgroup does not: the cgroup namespace hides the name,
// or the runtime made no cgroup. Runtimes bind-mount files of their own over /etc/hostname, /etc/hosts,
// /etc/resolv.conf and /run/.containerenv, the kubelet one more for messages; the folders that these files lie in bear
// ids and names. A folder of a runtime that is mounted anywhere else (an agent that looks at its neighbours) says
// nothing.
#pragma once

#include <string>
#include <string_view>

namespace kiln::agent::identity {

struct MountFacts {
  std::string container_id;       // empty in a pod unless a cgroup mount tells: the files there are the sandbox's
  std::string container_runtime;  // as in CgroupFacts
  std::string container_name;     // in a pod: the name in its specification
  std::string pod_uid;
  friend bool operator==(const MountFacts&, const MountFacts&) = default;
};

// The text of /proc/PID/mountinfo (proc_pid_mountinfo(5)); a line that is cut off at the end is not looked at. Known
// to be wrong in one case: a Docker container that runs in the network of another one has that one's files, so where
// nothing else tells, it is taken for it.
MountFacts ParseMountInfo(std::string_view text);

}  // namespace kiln::agent::identity
