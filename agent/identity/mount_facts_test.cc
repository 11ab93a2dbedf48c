// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/mount_facts.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln::agent::identity {
namespace {

const std::string kA = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const std::string kB = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";
const std::string kUid = "d965450c-a307-418f-9349-5a715e85cdd3";

const std::string kRootMount =
    "1076 961 0:286 / / rw,relatime master:250 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/5D,"
    "upperdir=/var/lib/docker/overlay2/" +
    kB +
    "/diff\n"
    "1077 1076 0:288 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n";

std::string Mount(const std::string& root, const std::string& target, const std::string& type = "ext4") {
  return "1083 1078 254:1 " + root + " " + target + " rw,relatime - " + type + " /dev/vda1 rw\n";
}

MountFacts Container(const std::string& runtime) { return {.container_id = kA, .container_runtime = runtime}; }

TEST(MountFacts, KnowsRuntimesByTheirFiles) {
  EXPECT_EQ(ParseMountInfo(kRootMount + Mount("/var/lib/docker/containers/" + kA + "/resolv.conf", "/etc/resolv.conf") +
                           Mount("/var/lib/docker/containers/" + kA + "/hostname", "/etc/hostname")),
            Container("docker"));
  // Docker's folder on a file system of its own.
  EXPECT_EQ(ParseMountInfo(Mount("/containers/" + kA + "/hosts", "/etc/hosts")), Container("docker"));
  EXPECT_EQ(ParseMountInfo(Mount("/containers/storage/overlay-containers/" + kA + "/userdata/.containerenv",
                                 "/run/.containerenv", "tmpfs")),
            Container("podman"));
  EXPECT_EQ(ParseMountInfo(Mount("/containers/overlay-containers/" + kA + "/userdata/hostname", "/etc/hostname")),
            Container("podman"));
  EXPECT_EQ(ParseMountInfo(Mount("/var/lib/nerdctl/1935db59/etchosts/default/" + kA + "/hosts", "/etc/hosts")),
            Container("containerd"));
  EXPECT_EQ(
      ParseMountInfo(Mount("/var/lib/nerdctl/1935db59/containers/default/" + kA + "/resolv.conf", "/etc/resolv.conf")),
      Container("containerd"));
}

// In a podman pod the files of the network are those of its infra container.
TEST(MountFacts, BelievesTheContainersOwnFileFirst) {
  const std::string folder = "/containers/storage/overlay-containers/";
  const std::string network = Mount(folder + kB + "/userdata/hosts", "/etc/hosts");
  const std::string own = Mount(folder + kA + "/userdata/.containerenv", "/run/.containerenv");
  EXPECT_EQ(ParseMountInfo(network + own), Container("podman"));
  EXPECT_EQ(ParseMountInfo(own + network), Container("podman"));
}

TEST(MountFacts, KnowsPodsAndNamesButNotTheSandboxForTheContainer) {
  const std::string pod = "/var/lib/kubelet/pods/" + kUid;
  const std::string files =
      kRootMount + Mount(pod + "/etc-hosts", "/etc/hosts") +
      Mount(pod + "/containers/checkout/0a1b2c3d", "/dev/termination-log") +
      Mount("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" + kA + "/hostname", "/etc/hostname") +
      Mount("/var/lib/docker/containers/" + kA + "/resolv.conf", "/etc/resolv.conf");
  EXPECT_EQ(ParseMountInfo(files), (MountFacts{.container_name = "checkout", .pod_uid = kUid}));
  EXPECT_EQ(ParseMountInfo(Mount("/pods/" + kUid + "/etc-hosts", "/etc/hosts")), (MountFacts{.pod_uid = kUid}));
  // What the cgroup mounts say is the container's own.
  EXPECT_EQ(ParseMountInfo(files + Mount("/kubepods/burstable/pod" + kUid + "/" + kB, "/sys/fs/cgroup/cpu", "cgroup")),
            (MountFacts{.container_id = kB, .container_name = "checkout", .pod_uid = kUid}));
}

TEST(MountFacts, ReadsCgroupMounts) {
  EXPECT_EQ(ParseMountInfo(Mount("/../docker/" + kA, "/sys/fs/cgroup", "cgroup2")), Container("docker"));
  EXPECT_EQ(ParseMountInfo(Mount("/docker/" + kA, "/mnt/other", "cgroup2")), MountFacts{});
  EXPECT_EQ(ParseMountInfo(Mount("/docker/" + kA, "/sys/fs/cgroup", "ext4")), MountFacts{});
}

// An agent that mounts the folders of the runtimes is none of the containers in them.
TEST(MountFacts, IsNotFooledByFoldersOfNeighbours) {
  const std::string id = "/var/lib/docker/containers/" + kA;
  for (const std::string& line :
       {Mount("/var/lib/docker/containers", "/var/lib/docker/containers"), Mount("/", id + "/mounts/shm", "tmpfs"),
        Mount(id + "/hostname", "/host/etc/hostname"), Mount(id + "/hostname", "/etc/hosts"),
        Mount(id, "/etc/hostname"), Mount("/x/" + kA + "/hostname", "/etc/hostname"),
        Mount("/containers/" + kA + "0/hostname", "/etc/hostname"),
        Mount("/var/lib/kubelet/pods/" + kUid + "/etc-hosts", "/mnt"),
        Mount("/var/lib/kubelet/pods/" + kUid + "/volumes/v/data", "/data"),
        Mount("/var/lib/kubelet/pods/no-uid/containers/c/0a1b2c3d", "/dev/termination-log"),
        Mount("/var/lib/kubelet/pods/" + kUid + "/containers/UPPER/0a1b2c3d", "/dev/termination-log"),
        Mount("/x/overlay-containers/" + kA + "/other/hostname", "/etc/hostname")}) {
    EXPECT_EQ(ParseMountInfo(line), MountFacts{}) << line;
  }
}

TEST(MountFacts, BearsDamagedText) {
  const std::string line = Mount("/containers/" + kA + "/hosts", "/etc/hosts");
  for (const std::string& text : {std::string(), std::string("\n\n"), std::string("1 2 3"), std::string(1 << 20, ' '),
                                  std::string(1 << 20, '/'), line.substr(0, line.size() - 1)}) {
    EXPECT_EQ(ParseMountInfo(text), MountFacts{});
  }
}

}  // namespace
}  // namespace kiln::agent::identity
