// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/mount_facts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/identity/cgroup_path.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxNameBytes = 253;  // of a DNS subdomain; containers have 63

// Takes the next word off the front of `line`.
std::string_view Word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

// Takes the last component off the end of `path`.
std::string_view Last(std::string_view& path) {
  const size_t slash = path.rfind('/');
  const std::string_view last = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  return last;
}

// What one mount tells, and how much it is to be believed.
struct Found {
  std::string_view id;
  std::string_view runtime;
  int trust = 0;  // .containerenv is a container's own, the network's files may be another one's
};

// `root`: the place of the mounted file within its file system; `target`: where it is mounted.
Found FindContainer(std::string_view root, std::string_view target) {
  const bool of_network = target == "/etc/hostname" || target == "/etc/hosts" || target == "/etc/resolv.conf";
  const bool of_podman = target == "/run/.containerenv";
  if (!of_network && !of_podman) return {};
  std::string_view folder = root;
  const std::string_view file = Last(folder);
  std::string_view target_folder = target;
  if (file != Last(target_folder)) return {};
  // …/overlay-containers/ID/userdata/.containerenv (podman; also vfs-containers, btrfs-containers)
  // …/docker/containers/ID/hostname
  // …/nerdctl/HASH/containers/NAMESPACE/ID/resolv.conf, …/nerdctl/HASH/etchosts/NAMESPACE/ID/hosts
  std::string_view id = Last(folder);
  const bool userdata = id == "userdata";
  if (userdata) id = Last(folder);
  if (!IsContainerId(id)) return {};
  const std::string_view parent = Last(folder);
  if (userdata) return parent.ends_with("-containers") ? Found{id, "podman", of_podman ? 3 : 1} : Found{};
  if (of_podman) return {};
  if (parent == "containers") return {id, "docker", target == "/etc/hostname" ? 2 : 1};
  const std::string_view grandparent = Last(folder);
  if (grandparent == "containers" || grandparent == "etchosts") {
    Last(folder);  // the hash of the daemon's address
    if (Last(folder) == "nerdctl") return {id, "containerd", 1};
  }
  return {};
}

bool IsKubernetesName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

// …/pods/UID/etc-hosts and …/pods/UID/containers/NAME/8 digits, below any root folder of a kubelet.
void FindPod(std::string_view root, std::string_view target, MountFacts& facts) {
  std::string_view folder = root;
  const std::string_view last = Last(folder);
  if (last == "etc-hosts" && target == "/etc/hosts") {
    const std::string uid = PodUid(Last(folder));
    if (!uid.empty() && Last(folder) == "pods" && facts.pod_uid.empty()) facts.pod_uid = uid;
    return;
  }
  if (last.size() != 8 || !facts.container_name.empty()) return;
  const std::string_view name = Last(folder);
  if (Last(folder) != "containers") return;
  std::string uid = PodUid(Last(folder));
  if (uid.empty() || Last(folder) != "pods" || !IsKubernetesName(name)) return;
  facts.container_name = name;
  facts.pod_uid = std::move(uid);
}

}  // namespace

MountFacts ParseMountInfo(std::string_view text) {
  MountFacts facts;
  Found best;
  CgroupFacts of_cgroup;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    for (int skipped = 0; skipped < 3; ++skipped) Word(line);  // mount id, parent id, device
    const std::string_view root = Word(line);
    const std::string_view target = Word(line);
    if (root.size() <= 1) continue;
    const size_t separator = line.find(" - ");
    if (separator != std::string_view::npos && line.substr(separator).starts_with(" - cgroup")) {
      // The runtime mounts the container's own cgroup. Relative to the reader, so it may be hidden from it.
      if (of_cgroup.container_id.empty() && target.starts_with("/sys/fs/cgroup")) of_cgroup = ParseCgroupPath(root);
      continue;
    }
    FindPod(root, target, facts);
    if (const Found found = FindContainer(root, target); found.trust > best.trust) best = found;
  }
  if (!of_cgroup.container_id.empty()) {
    facts.container_id = of_cgroup.container_id;
    facts.container_runtime = of_cgroup.container_runtime;
    if (facts.pod_uid.empty()) facts.pod_uid = of_cgroup.pod_uid;
  } else if (facts.pod_uid.empty()) {
    facts.container_id = best.id;
    facts.container_runtime = best.runtime;
  }
  return facts;
}

}  // namespace kiln::agent::identity
