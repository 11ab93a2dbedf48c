// SPDX-License-Identifier: Apache-2.0
// Which container, pod and systemd unit a process belongs to, by the name of its cgroup.
//
// There is no rule that a cgroup is named by; each runtime has its own, and each is told apart here by what only it
// does (a 64-digit id, a prefix of its own, a parent folder). What is not recognized is left out: an absent attribute
// is better than a wrong one. Processes that watch over a container from outside (conmon, lxc.monitor, nspawn's
// supervisor) are not in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::agent::identity {

struct CgroupFacts {
  std::string container_id;       // of the innermost container; for lxc and systemd-nspawn its name
  std::string container_runtime;  // docker, containerd, cri-o, podman, lxc, systemd-nspawn, garden, buildkit, mesos;
                                  // empty = not known
  std::vector<std::string> outer_container_ids;  // that hold it (docker in docker, kind), outermost first
  std::string pod_uid;                           // of the innermost Kubernetes pod; with hyphens as the API writes it
  std::string systemd_unit;                      // innermost service below the container, "nginx.service" as systemctl
                                                 // takes it; of a scope or slice: empty
  bool hidden = true;  // no path with a name in it: the cgroup namespace hides it, or it is the root
  friend bool operator==(const CgroupFacts&, const CgroupFacts&) = default;
};

// The text of /proc/PID/cgroup (v1, v2 or both; cgroups(7)). All facts are of one line: the one that tells most, at a
// tie the v2 line, then name=systemd, then the first. At most 64 lines and paths of at most 4096 bytes are looked at.
CgroupFacts ParseCgroup(std::string_view text);

// The same for one path. ".." in it is passed over: a reader in another cgroup namespace sees such paths.
CgroupFacts ParseCgroupPath(std::string_view path);

// A pod uid as a cgroup or the kubelet's folders write it ("_" for "-" allowed), with hyphens; empty if it is none. A
// static pod's is 32 hex digits.
std::string PodUid(std::string_view text);

// 64 lower-case hex digits.
bool IsContainerId(std::string_view text);

}  // namespace kiln::agent::identity
