// SPDX-License-Identifier: Apache-2.0
// Real processes in real cgroups: as systemd, docker and the kubelet name them, seen from the host and from within a
// cgroup namespace. Needs root and a cgroup file system that can be written to.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "agent/identity/identity.h"
#include "base/fd.h"
#include "base/file.h"

namespace kiln::agent::identity {
namespace {

const std::string kA = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const std::string kUid = "d965450c-a307-418f-9349-5a715e85cdd3";

// Where the unified hierarchy is; nullopt if there is none.
std::optional<std::string> Cgroup2() {
  for (const char* path : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    if (std::filesystem::exists(std::string(path) + "/cgroup.procs") &&
        std::filesystem::exists(std::string(path) + "/cgroup.controllers")) {
      return path;
    }
  }
  return std::nullopt;
}

// A child that enters a new cgroup of the given path, does `prepare`, and then waits until it is let go.
class Child {
 public:
  template <class Prepare>
  Child(const std::string& path, Prepare prepare) : base_(Cgroup2().value_or("")), path_(path) {
    std::filesystem::create_directories(base_ + path_);
    int ready[2], done[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(done, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const bool entered =
          static_cast<bool>(std::ofstream(base_ + path_ + "/cgroup.procs") << ::getpid() << std::flush);
      char answer = entered && prepare() ? 'y' : 'n';
      ::close(done[1]);
      if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
      (void)!::read(done[0], &answer, 1);
      ::_exit(0);
    }
    UniqueFd ready_write(ready[1]), done_read(done[0]), ready_read(ready[0]);
    done_ = UniqueFd(done[1]);
    ready_write.Reset();
    char answer = '\0';
    EXPECT_EQ(::read(ready_read.get(), &answer, 1), 1);
    prepared_ = answer == 'y';
  }
  ~Child() {
    done_.Reset();
    ::waitpid(pid_, nullptr, 0);
    // From the inside out, up to the first one that others use.
    for (std::filesystem::path at = path_; at.has_relative_path(); at = at.parent_path()) {
      if (::rmdir((base_ + at.string()).c_str()) != 0) break;
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Pid pid() const { return Pid{pid_}; }
  bool prepared() const { return prepared_; }

 private:
  const std::string base_, path_;
  pid_t pid_ = -1;
  UniqueFd done_;
  bool prepared_ = false;
};

class IdentityRootTest : public ::testing::Test {
 protected:
  IdentityRootTest() : reader_(*IdentityReader::Create({}, registry_)) {}
  std::string Value(Pid pid, std::string_view key) {
    const ProcessIdentity identity = reader_->Read({.pid = pid});
    const Attribute* attribute = Find(identity.attributes, key);
    return attribute != nullptr ? TextOf(*attribute) : "(none)";
  }

  MetricRegistry registry_;
  std::unique_ptr<IdentityReader> reader_;
};

TEST_F(IdentityRootTest, SeesASystemService) {
  ASSERT_TRUE(Cgroup2()) << "no cgroup v2 is mounted";
  const Child child("/kiln_test.slice/checkout@7.service", [] { return true; });
  ASSERT_TRUE(child.prepared());
  EXPECT_EQ(Value(child.pid(), "service.name"), "checkout");
  EXPECT_EQ(Value(child.pid(), "systemd.unit.name"), "checkout@7.service");
  EXPECT_EQ(Value(child.pid(), "process.owner"), "root");
}

TEST_F(IdentityRootTest, SeesAContainerThatSeesNoNameOfItsOwn) {
  ASSERT_TRUE(Cgroup2()) << "no cgroup v2 is mounted";
  const Child child("/kiln_test.slice/docker-" + kA + ".scope", [] { return ::unshare(CLONE_NEWCGROUP) == 0; });
  ASSERT_TRUE(child.prepared());
  EXPECT_EQ(Value(child.pid(), "container.id"), kA);
  EXPECT_EQ(Value(child.pid(), "container.runtime.name"), "docker");
  EXPECT_EQ(Value(child.pid(), "process.owner"), "0");
}

// The kubelet's file for messages, mounted as it mounts it.
TEST_F(IdentityRootTest, LearnsTheNameOfAContainerInAPod) {
  ASSERT_TRUE(Cgroup2()) << "no cgroup v2 is mounted";
  const std::string folder = fmt::format("{}/kiln_identity_{}", ::testing::TempDir(), ::getpid());
  const std::string file = folder + "/pods/" + kUid + "/containers/shop/0a1b2c3d";
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  std::ofstream(file).flush();
  const std::string target = folder + "/termination-log";
  std::ofstream(target).flush();
  {
    const Child child("/kiln_test.slice/kubepods-pod" + kUid + ".slice/cri-containerd-" + kA + ".scope", [&] {
      return ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             ::mount(file.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0;
    });
    ASSERT_TRUE(child.prepared());
    EXPECT_EQ(Value(child.pid(), "k8s.pod.uid"), kUid);
    EXPECT_EQ(Value(child.pid(), "k8s.container.name"), "shop");
    EXPECT_EQ(Value(child.pid(), "service.name"), "shop");
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kiln::agent::identity
