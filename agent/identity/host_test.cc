// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace kiln::agent::identity {
namespace {

class HostTest : public ::testing::Test {
 protected:
  HostTest() { std::filesystem::create_directories(root_); }
  ~HostTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string Read(std::string_view key) const {
    const Attributes attributes = ReadHostAttributes({.root = root_});
    const Attribute* attribute = Find(attributes, key);
    return attribute != nullptr ? TextOf(*attribute) : "(none)";
  }

  const std::string root_ = fmt::format("{}/kiln_host_{}", ::testing::TempDir(), ::getpid());
};

TEST_F(HostTest, ReadsTheHostsFiles) {
  Write("etc/hostname", "node-7\n");
  Write("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n");
  Write("usr/lib/os-release", "NAME=\"Fedora Linux\"\nVERSION_ID=42\nPRETTY_NAME='Fedora Linux 42'\nBUILD_ID=b7\n");
  std::filesystem::create_symlink("/usr/lib/os-release", root_ + "/etc/os-release");  // absolute: of the host's root
  EXPECT_EQ(Read("host.name"), "node-7");
  EXPECT_EQ(Read("host.id"), "3d1219c7c4c5404aaa1f6d2a48adfda4");
  EXPECT_EQ(Read("os.type"), "linux");
  EXPECT_EQ(Read("os.name"), "Fedora Linux");
  EXPECT_EQ(Read("os.version"), "42");
  EXPECT_EQ(Read("os.description"), "Fedora Linux 42");
  EXPECT_EQ(Read("os.build_id"), "b7");
  EXPECT_EQ(Read("host.type"), "(none)");
}

TEST_F(HostTest, LeavesOutWhatIsNotThere) {
  utsname system{};
  ::uname(&system);
  EXPECT_EQ(Read("host.name"), system.nodename);
  EXPECT_EQ(Read("host.id"), "(none)");
  EXPECT_EQ(Read("os.name"), "(none)");
  EXPECT_EQ(Read("os.build_id"), system.release);
  const Attributes named = ReadHostAttributes({.root = root_, .name = "from-config"});
  EXPECT_EQ(TextOf(*Find(named, "host.name")), "from-config");
}

TEST_F(HostTest, RefusesMachineIdsThatAreNone) {
  for (const char* bad :
       {"uninitialized\n", "", "3d1219c7", "3D1219C7C4C5404AAA1F6D2A48ADFDA4", "00000000000000000000000000000000"}) {
    Write("etc/machine-id", bad);
    EXPECT_EQ(Read("host.id"), "(none)") << bad;
  }
  Write("var/lib/dbus/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4");
  EXPECT_EQ(Read("host.id"), "3d1219c7c4c5404aaa1f6d2a48adfda4");
  EXPECT_EQ(Find(ReadHostAttributes({.root = root_, .id = false}), "host.id"), nullptr);
}

TEST_F(HostTest, TakesTheInstanceTypeOnAmazonOnly) {
  Write("sys/class/dmi/id/product_name", "m5.large\n");
  EXPECT_EQ(Read("host.type"), "(none)");
  Write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
  EXPECT_EQ(Read("host.type"), "m5.large");
}

TEST(Host, NamesArchitecturesAsTheConventionsDo) {
  EXPECT_EQ(HostArch("x86_64"), "amd64");
  EXPECT_EQ(HostArch("aarch64"), "arm64");
  EXPECT_EQ(HostArch("armv7l"), "arm32");
  EXPECT_EQ(HostArch("i686"), "x86");
  EXPECT_EQ(HostArch("ppc64le"), "ppc64");
  EXPECT_EQ(HostArch("s390x"), "s390x");
  EXPECT_EQ(HostArch("riscv64"), "riscv64");
}

TEST(Host, ReadsOsRelease) {
  auto values = ParseOsRelease(
      "# c=1\n\nA=plain # no comment in a value\nB=\"with \\\"quotes\\\" and \\$\"\nC='single \\n'\nD=\n  E=x\r\nno "
      "pair\nF=\"open");
  EXPECT_EQ(values["A"], "plain");
  EXPECT_EQ(values["B"], "with \"quotes\" and $");
  EXPECT_EQ(values["C"], "single \\n");
  EXPECT_EQ(values["D"], "");
  EXPECT_EQ(values["E"], "x");
  EXPECT_EQ(values["F"], "open");
  EXPECT_EQ(values.count("# c"), 0u);
}

TEST(Host, KnowsThisOne) {
  const Attributes attributes = ReadHostAttributes({});
  EXPECT_NE(Find(attributes, "host.name"), nullptr);
  EXPECT_EQ(TextOf(*Find(attributes, "os.type")), "linux");
}

}  // namespace
}  // namespace kiln::agent::identity
