// SPDX-License-Identifier: Apache-2.0
// Lines as real systems have them: Debian, Ubuntu, Fedora, EKS, GKE, OpenShift, k3s, kind, minikube, ECS, Cloud
// Foundry, Proxmox, WSL. Ids are made up: A, B, P and so on stand for them in the table.
#include "agent/identity/cgroup_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace kiln::agent::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kA = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const std::string kB = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";
const std::string kC = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const std::string kUid = "d965450c-a307-418f-9349-5a715e85cdd3";
const std::string kStaticUid = "99dcb84d2a34f7e338778606703258c4";

// {A}, {B}, {C}: container ids; {U}: pod uid, {u}: the same with "_"; {S}: a static pod's.
std::string Fill(std::string text) {
  const std::map<std::string, std::string> values = {
      {"{A}", kA},        {"{B}", kB}, {"{C}", kC}, {"{U}", kUid}, {"{u}", "d965450c_a307_418f_9349_5a715e85cdd3"},
      {"{S}", kStaticUid}};
  for (const auto& [name, value] : values) {
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

struct Case {
  const char* what;
  const char* cgroup;
  const char* id = "";
  const char* runtime = "";
  const char* pod = "";
  const char* unit = "";
};

const Case kCases[] = {
    // Docker.
    {"docker, cgroupfs, v1", "12:memory:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/system.slice/containerd.service\n",
     "{A}", "docker"},
    {"docker, systemd, v2", "0::/system.slice/docker-{A}.scope\n", "{A}", "docker"},
    {"docker, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope", "{A}",
     "docker"},
    {"docker, cgroup parent", "0::/actions_job/{A}", "{A}"},
    {"docker, parent is the root", "10:net_prio:/{A}\n", "{A}"},
    {"docker, within its own unit", "1:name=systemd:/system.slice/docker.service/docker/{A}", "{A}", "docker"},
    {"docker, systemd in it", "0::/docker/{A}/system.slice/ssh.service\n", "{A}", "docker", "", "ssh.service"},
    {"docker, init.scope in it", "0::/system.slice/docker-{A}.scope/init.scope", "{A}", "docker"},
    {"docker's namespace of containerd", "5:cpuset:/moby/{A}", "{A}", "docker"},
    {"docker in docker", "9:pids:/docker/{A}/docker/{B}", "{B}", "docker"},
    {"docker, compose in a slice", "0::/compose.slice/docker-{A}.scope", "{A}", "docker"},
    {"docker's daemon", "0::/system.slice/docker.service", "", "", "", "docker.service"},
    {"Docker Desktop on WSL, from a cgroup namespace", "0::/../../docker/{A}", "{A}", "docker"},
    {"the scope was removed", "0::/system.slice/docker-{A}.scope (deleted)", "{A}", "docker"},
    // containerd.
    {"nerdctl", "0::/system.slice/nerdctl-{A}.scope", "{A}", "containerd"},
    {"nerdctl, cgroupfs", "0::/default/{A}", "{A}", "containerd"},
    {"ctr in Kubernetes' namespace", "3:cpu,cpuacct:/k8s.io/{A}", "{A}", "containerd"},
    // Kubernetes.
    {"containerd, systemd, burstable",
     "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{u}.slice/cri-containerd-{A}.scope", "{A}",
     "containerd", "{U}"},
    {"containerd, systemd, guaranteed", "0::/kubepods.slice/kubepods-pod{u}.slice/cri-containerd-{A}.scope", "{A}",
     "containerd", "{U}"},
    {"containerd, systemd, static pod",
     "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{S}.slice/cri-containerd-{A}.scope", "{A}",
     "containerd", "{S}"},
    {"containerd, cgroupfs", "11:pids:/kubepods/besteffort/pod{U}/{A}", "{A}", "", "{U}"},
    {"containerd, cgroupfs, v1 of GKE",
     "8:memory:/kubepods/burstable/pod{U}/{A}\n1:name=systemd:/kubepods/burstable/"
     "pod{U}/{A}\n0::/\n",
     "{A}", "", "{U}"},
    {"containerd given systemd's paths with cgroupfs",
     "12:cpu,cpuacct:/system.slice/containerd.service/kubepods-besteffort-pod{u}.slice:cri-containerd:{A}", "{A}",
     "containerd", "{U}"},
    {"the same at the root", "0::/kubepods-burstable-pod{u}.slice:cri-containerd:{A}", "{A}", "containerd", "{U}"},
    {"docker as Kubernetes' runtime",
     "1:name=systemd:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{u}.slice/docker-{A}.scope", "{A}",
     "docker", "{U}"},
    {"cri-o, systemd", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{u}.slice/crio-{A}.scope",
     "{A}", "cri-o", "{U}"},
    {"cri-o of OpenShift, one folder more",
     "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{u}.slice/crio-{A}.scope/container", "{A}",
     "cri-o", "{U}"},
    {"cri-o, cgroupfs", "4:blkio:/kubepods/burstable/pod{U}/crio-{A}", "{A}", "cri-o", "{U}"},
    {"cri-o, a folder of the container's name in its scope",
     "0::/kubepods.slice/kubepods-pod{u}.slice/crio-{A}.scope/crio-{A}", "{A}", "cri-o", "{U}"},
    {"cri-o's monitor",
     "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{u}.slice/crio-conmon-{A}.scope", "", "",
     "{U}"},
    {"systemd in a pod", "0::/kubepods.slice/kubepods-pod{u}.slice/crio-{A}.scope/system.slice/httpd.service", "{A}",
     "cri-o", "{U}", "httpd.service"},
    {"kind, systemd",
     "0::/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
     "kubelet-kubepods-burstable-pod{u}.slice/cri-containerd-{B}.scope",
     "{B}", "containerd", "{U}"},
    {"kind, cgroupfs", "7:devices:/docker/{A}/kubelet/kubepods/burstable/pod{U}/{B}", "{B}", "", "{U}"},
    {"kind's kubelet", "0::/docker/{A}/kubelet.slice/kubelet.service", "{A}", "docker", "", "kubelet.service"},
    {"minikube, docker driver", "0::/docker/{A}/kubepods.slice/kubepods-pod{u}.slice/docker-{B}.scope", "{B}", "docker",
     "{U}"},
    {"k3s in its own unit", "0::/system.slice/k3s.service/kubepods/burstable/pod{U}/{A}", "{A}", "", "{U}"},
    {"k3s itself", "0::/system.slice/k3s.service", "", "", "", "k3s.service"},
    {"docker in a pod", "0::/kubepods.slice/kubepods-pod{u}.slice/cri-containerd-{A}.scope/docker/{B}", "{B}", "docker",
     "{U}"},
    {"a neighbour's pod, from a cgroup namespace", "0::/../../kubepods-burstable-pod{u}.slice/cri-containerd-{A}.scope",
     "{A}", "containerd", "{U}"},
    {"a neighbour's pod, cgroupfs, from a cgroup namespace", "0::/../../pod{U}/{A}", "{A}", "", "{U}"},
    {"a container of the same pod, from a cgroup namespace", "0::/../cri-containerd-{A}.scope", "{A}", "containerd"},
    {"a pod's own cgroup", "0::/kubepods/burstable/pod{U}", "", "", "{U}"},
    // Podman.
    {"podman", "0::/machine.slice/libpod-{A}.scope/container", "{A}", "podman"},
    {"podman, v1", "1:name=systemd:/machine.slice/libpod-{A}.scope", "{A}", "podman"},
    {"podman, cgroupfs", "0::/libpod_parent/libpod-{A}", "{A}", "podman"},
    {"podman, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container",
     "{A}", "podman"},
    {"podman, in a pod of its own", "0::/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope/container", "{A}",
     "podman"},
    {"podman's monitor", "0::/machine.slice/libpod-conmon-{A}.scope"},
    {"Quadlet: the unit is the container's", "0::/system.slice/web.service/libpod-payload-{A}", "{A}", "podman", "",
     "web.service"},
    {"Quadlet of a user",
     "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-web.slice/web@8000.service/libpod-payload-{A}",
     "{A}", "podman", "", "web@8000.service"},
    {"Quadlet's monitor", "0::/system.slice/web.service/runtime", "", "", "", "web.service"},
    // Others.
    {"ECS on EC2", "9:perf_event:/ecs/5a0d5ceddf6c44c1928d367a815d890f/{A}", "{A}", "docker"},
    {"ECS on EC2, older", "9:perf_event:/ecs/55091c13-b8cf-4801-b527-f4601742204d/{A}", "{A}", "docker"},
    {"ECS, systemd", "0::/ecstasks.slice/ecstasks-5a0d5ceddf6c44c1928d367a815d890f.slice/docker-{A}.scope", "{A}",
     "docker"},
    {"Fargate", "4:pids:/ecs/5a0d5ceddf6c44c1928d367a815d890f/5a0d5ceddf6c44c1928d367a815d890f-2574839563",
     "5a0d5ceddf6c44c1928d367a815d890f-2574839563"},
    {"Cloud Foundry", "11:devices:/system.slice/garden.service/garden/6f265890-5165-7fab-6b52-18d1",
     "6f265890-5165-7fab-6b52-18d1", "garden"},
    {"Cloud Foundry, fair shares", "2:cpu:/system.slice/garden.service/garden/good/2f57368b-0eda-4e52-64d8-af5c",
     "2f57368b-0eda-4e52-64d8-af5c", "garden"},
    {"BuildKit", "0::/docker/buildkit/5cf82fwiumld3vcs5d5l5pzyv", "5cf82fwiumld3vcs5d5l5pzyv", "buildkit"},
    {"BuildKit in docker's unit", "0::/system.slice/docker.service/buildkit/5cf82fwiumld3vcs5d5l5pzyv",
     "5cf82fwiumld3vcs5d5l5pzyv", "buildkit"},
    {"Mesos", "3:cpu:/mesos/8feab2a6-4b7d-4ccb-8a6b-6c1f4a5c7d0e", "8feab2a6-4b7d-4ccb-8a6b-6c1f4a5c7d0e", "mesos"},
    {"LXC", "0::/lxc.payload.build1", "build1", "lxc"},
    {"LXC of Proxmox, systemd in it", "0::/lxc/101/ns/system.slice/postgresql@15-main.service", "101", "lxc", "",
     "postgresql@15-main.service"},
    {"LXD with projects", "0::/lxc.payload.snapcraft_some-container/system.slice/nginx.service",
     "snapcraft_some-container", "lxc", "", "nginx.service"},
    {"LXC's monitor", "0::/lxc.monitor.build1"},
    {"docker in LXC", "0::/lxc.payload.build1/docker/{A}", "{A}", "docker"},
    {"systemd-nspawn", "0::/machine.slice/machine-deb\\x2d12.scope/payload/system.slice/cron.service", "deb-12",
     "systemd-nspawn", "", "cron.service"},
    {"systemd-nspawn as a service", "0::/machine.slice/systemd-nspawn@deb12.service/payload/init.scope", "deb12",
     "systemd-nspawn"},
    {"systemd-nspawn's supervisor", "0::/machine.slice/systemd-nspawn@deb12.service/supervisor", "", "", "",
     "systemd-nspawn@deb12.service"},
    {"a virtual machine", "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator"},
    {"a VM in a k8s host's slice", "0::/machine.slice/machine-qemu\\x2d1\\x2d{A}.scope"},
    // systemd.
    {"a system service", "0::/system.slice/nginx.service\n", "", "", "", "nginx.service"},
    {"a system service, hybrid",
     "4:memory:/system.slice/nginx.service\n1:name=systemd:/system.slice/nginx.service\n0::/system.slice/nginx.service",
     "", "", "", "nginx.service"},
    {"v1 only with systemd's own hierarchy", "3:cpu:/\n1:name=systemd:/system.slice/cron.service\n", "", "", "",
     "cron.service"},
    {"a template in a slice", "0::/system.slice/system-postgresql.slice/postgresql@15-main.service", "", "", "",
     "postgresql@15-main.service"},
    {"a service's own folders", "0::/system.slice/php-fpm.service/pool/www", "", "", "", "php-fpm.service"},
    {"a user's service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", "", "", "",
     "syncthing.service"},
    {"a user's manager", "0::/user.slice/user-1000.slice/user@1000.service/init.scope"},
    {"a session", "0::/user.slice/user-1000.slice/session-3.scope"},
    {"a desktop application",
     "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope"},
    {"tmux", "0::/user.slice/user-1000.slice/user@1000.service/tmux-spawn-0267755b-4639-4a27-90ed-f19f88e53748.scope"},
    {"an escaped name of a cgroup", "0::/system.slice/_cpu.service", "", "", "", "cpu.service"},
    {"systemd itself", "0::/init.scope"},
    // What is no container.
    {"32 digits", "4:memory:/process_api/b92ba2f88df5dc26bd2ee9d8e4064150\n0::/\n"},
    {"Slurm", "0::/system.slice/slurmstepd.scope/job_1/step_0/user/task_0"},
    {"capital digits", "0::/docker/4F797C539E6C745DE61A93CA3FF892358ECBCACCD8414D5DB545C38428142970"},
    {"a digit too many", "0::/docker/{A}0"},
    {"an id without a hyphen before it", "0::/xdocker{A}"},
    {"a slice of 64 digits", "0::/{A}.slice"},
    {"a pod of an impossible uid", "0::/kubepods/burstable/podX/y"},
};

TEST(CgroupPath, ReadsWhatRealSystemsWrite) {
  for (const Case& c : kCases) {
    const CgroupFacts facts = ParseCgroup(Fill(c.cgroup));
    EXPECT_EQ(facts.container_id, Fill(c.id)) << c.what;
    EXPECT_EQ(facts.container_runtime, c.runtime) << c.what;
    EXPECT_EQ(facts.pod_uid, Fill(c.pod)) << c.what;
    EXPECT_EQ(facts.systemd_unit, c.unit) << c.what;
    EXPECT_FALSE(facts.hidden) << c.what;
  }
}

TEST(CgroupPath, KeepsTheContainersAround) {
  const auto outer = [](const char* text) { return ParseCgroup(Fill(text)).outer_container_ids; };
  EXPECT_THAT(outer("0::/docker/{A}"), IsEmpty());
  EXPECT_THAT(outer("0::/docker/{A}/docker/{B}/docker/{C}"), ElementsAre(kA, kB));
  EXPECT_THAT(outer("0::/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods-pod{u}.slice/"
                    "cri-containerd-{B}.scope"),
              ElementsAre(kA));
  EXPECT_THAT(outer("0::/lxc.payload.build1/docker/{A}"), ElementsAre("build1"));
}

TEST(CgroupPath, KnowsWhereItCannotSee) {
  for (const char* text : {"", "0::/", "0::/\n", "0::/../..", "3:cpu:/\n0::/../\n", "no cgroup at all", "1:2"}) {
    EXPECT_EQ(ParseCgroup(text), CgroupFacts{}) << text;
  }
  EXPECT_FALSE(ParseCgroup("0::/x").hidden);
}

// Facts of two lines would be facts of nobody.
TEST(CgroupPath, TakesTheLineThatTellsMost) {
  const auto facts =
      ParseCgroup(Fill("12:pids:/docker/{A}/docker/{B}\n1:name=systemd:/docker/{A}\n"
                       "0::/system.slice/docker.service\n"));
  EXPECT_EQ(facts.container_id, kB);
  EXPECT_EQ(facts.systemd_unit, "");
  EXPECT_EQ(ParseCgroup(Fill("2:cpu:/docker/{A}\n0::/docker/{B}")).container_id, kB);
  EXPECT_EQ(ParseCgroup(Fill("2:cpu:/docker/{A}\n1:name=systemd:/docker/{B}")).container_id, kB);
  EXPECT_EQ(ParseCgroup(Fill("2:cpu:/docker/{A}\n3:pids:/docker/{B}")).container_id, kA);
}

TEST(CgroupPath, BearsHostileText) {
  EXPECT_EQ(ParseCgroup("0::/" + std::string(1 << 20, 'a')), CgroupFacts{});
  EXPECT_EQ(ParseCgroup("0::" + std::string(1 << 20, '/')), CgroupFacts{});
  EXPECT_EQ(ParseCgroup(std::string(1 << 20, ':')), CgroupFacts{});
  EXPECT_EQ(ParseCgroup(std::string(1 << 20, '\n')), CgroupFacts{});
  EXPECT_EQ(ParseCgroup(std::string("0::/\0\xff\xfe/docker/", 15)).container_id, "");
  EXPECT_EQ(ParseCgroup(std::string("0::/lxc.payload.a\0b", 19)).container_id, "");
  EXPECT_EQ(ParseCgroup("0::/lxc.payload.").container_id, "");
  EXPECT_EQ(ParseCgroup("0::/lxc.payload." + std::string(300, 'x')).container_id, "");
  EXPECT_EQ(ParseCgroup("0::/system.slice/" + std::string(300, 'x') + ".service").systemd_unit, "");
  EXPECT_EQ(ParseCgroup("0::/system.slice/a b.service").systemd_unit, "");
  EXPECT_EQ(ParseCgroup("0::/system.slice/.service").systemd_unit, "");
  // Line 65 is not looked at.
  std::string many;
  for (int i = 0; i < 64; ++i) many += "1:cpu:/\n";
  EXPECT_EQ(ParseCgroup(many + Fill("0::/docker/{A}")).container_id, "");
}

TEST(CgroupPath, TellsPodUids) {
  EXPECT_EQ(PodUid("d965450c_a307_418f_9349_5a715e85cdd3"), kUid);
  EXPECT_EQ(PodUid(kUid), kUid);
  EXPECT_EQ(PodUid(kStaticUid), kStaticUid);
  for (const char* bad : {"", "x", "d965450c-a307_418f-9349-5a715e85cdd3", "d965450c-a307-418f-9349-5a715e85cdd3a"}) {
    EXPECT_EQ(PodUid(bad), "") << bad;
  }
}

}  // namespace
}  // namespace kiln::agent::identity
