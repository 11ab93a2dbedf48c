// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/systemd_unit.h"

#include <gtest/gtest.h>

namespace kiln::agent::identity {
namespace {

TEST(SystemdUnit, GivesTheServiceItsName) {
  EXPECT_EQ(ServiceNameOfUnit("nginx.service"), "nginx");
  EXPECT_EQ(ServiceNameOfUnit("systemd-journald.service"), "systemd-journald");
  EXPECT_EQ(ServiceNameOfUnit("snap.lxd.daemon.service"), "snap.lxd.daemon");
  EXPECT_EQ(ServiceNameOfUnit("postgresql@15-main.service"), "postgresql");
  EXPECT_EQ(ServiceNameOfUnit("my\\x2dapp.service"), "my-app");
  EXPECT_EQ(ServiceNameOfUnit("caf\\xc3\\xa9.service"), "caf\xc3\xa9");
  EXPECT_EQ(ServiceNameOfUnit("odd\\x2.service"), "odd\\x2");
  EXPECT_EQ(ServiceNameOfUnit("dbus-:1.42-org.freedesktop.problems@0.service"), "org.freedesktop.problems");
  EXPECT_EQ(ServiceNameOfUnit("run-parts.service"), "run-parts");
}

TEST(SystemdUnit, GivesNoneToWhatIsNoServiceOfItsOwn) {
  for (const char* unit :
       {"", ".service", "session-3.scope", "user.slice", "user@1000.service", "@x.service", "run-17.service",
        "run-u17.service", "run-p4711-i4712.service", "run-r0123456789abcdef0123456789abcdef.service",
        "dbus-:1.42.service", "a/b.service", "a b.service", "nginx"}) {
    EXPECT_EQ(ServiceNameOfUnit(unit), "") << unit;
  }
}

TEST(SystemdUnit, DecodesEscapes) {
  EXPECT_EQ(UnescapeUnit("a\\x2db\\x2D\\x20"), "a-b- ");
  EXPECT_EQ(UnescapeUnit("\\x\\x2\\xg0\\"), "\\x\\x2\\xg0\\");
  EXPECT_EQ(UnescapeUnit(""), "");
}

}  // namespace
}  // namespace kiln::agent::identity
