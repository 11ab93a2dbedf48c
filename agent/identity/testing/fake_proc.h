// SPDX-License-Identifier: Apache-2.0
// For tests: a folder that looks like /proc, as far as identities are read from it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/ids.h"

namespace kiln::agent::identity::testing {

class FakeProc {
 public:
  struct Process {
    std::string comm = "app";
    int parent = 1;
    uint64_t flags = 0;
    uint64_t start_ticks = 100;
    std::string exe = "/usr/bin/app";
    int mount_namespace = 1;  // 1 is kiln's own
    int user_namespace = 1;
  };

  explicit FakeProc(const std::string& name) : root_(fmt::format("{}/{}_{}", ::testing::TempDir(), name, ::getpid())) {
    std::filesystem::remove_all(root_);
    Add("self", {});
  }
  ~FakeProc() { std::filesystem::remove_all(root_); }
  FakeProc(const FakeProc&) = delete;
  FakeProc& operator=(const FakeProc&) = delete;

  const std::string& root() const { return root_; }
  std::string PathOf(Pid pid) const { return fmt::format("{}/{}", root_, pid.value); }

  // Without an environment, a command line and mounts; the cgroup is hidden.
  void Add(Pid pid, const Process& process) { Add(std::to_string(pid.value), process); }
  void Write(Pid pid, const std::string& file, const std::string& text) const {
    std::ofstream(PathOf(pid) + "/" + file, std::ios::binary) << text;
  }
  void WriteRoot(const std::string& file, const std::string& text) const { std::ofstream(root_ + "/" + file) << text; }

 private:
  void Add(const std::string& name, const Process& process) {
    const std::string folder = root_ + "/" + name;
    std::filesystem::create_directories(folder + "/ns");
    std::ofstream(folder + "/stat") << fmt::format(
        "{} ({}) S {} 5 6 7 8 {} 10 11 12 13 14 15 16 17 18 19 20 21 {} 23\n", name, process.comm, process.parent,
        process.flags, process.start_ticks);
    std::ofstream(folder + "/cgroup") << "0::/\n";
    std::filesystem::create_symlink(process.exe, folder + "/exe");
    std::filesystem::create_symlink(fmt::format("mnt:[{}]", process.mount_namespace), folder + "/ns/mnt");
    std::filesystem::create_symlink(fmt::format("user:[{}]", process.user_namespace), folder + "/ns/user");
  }

  const std::string root_;
};

}  // namespace kiln::agent::identity::testing
