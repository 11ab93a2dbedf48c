// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/sd_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/fd.h"

namespace kiln::agent {
namespace {

using Variables = std::map<std::string, std::string>;

ServiceNotifier Make(const Variables& variables) {
  return ServiceNotifier([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// A service manager's end, as a name of the file system or an abstract one ("@…").
class Manager {
 public:
  explicit Manager(const std::string& name) : name_(name), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0) << name;
  }
  ~Manager() {
    if (name_[0] == '/') ::unlink(name_.c_str());
  }
  std::string Receive() {
    char buffer[4096];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    return count < 0 ? "nothing" : std::string(buffer, static_cast<size_t>(count));
  }

 private:
  std::string name_;
  UniqueFd socket_;
};

class ServiceNotifierTest : public testing::TestWithParam<std::string> {};

TEST_P(ServiceNotifierTest, SpeaksTheProtocol) {
  const std::string name = GetParam() + std::to_string(::getpid());
  Manager manager(name);
  const ServiceNotifier notifier = Make({{"NOTIFY_SOCKET", name}});
  ASSERT_TRUE(notifier.enabled());
  EXPECT_TRUE(notifier.Ready("sampling 4 CPUs\nERRNO=5").ok());
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=sampling 4 CPUs\\nERRNO=5\n");
  EXPECT_TRUE(notifier.Reloading(12'345'678'901).ok());
  EXPECT_EQ(manager.Receive(), "RELOADING=1\nMONOTONIC_USEC=12345678\n");
  EXPECT_TRUE(notifier.Watchdog().ok());
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1\n");
  EXPECT_TRUE(notifier.SetStatus("queue is full").ok());
  EXPECT_EQ(manager.Receive(), "STATUS=queue is full\n");
  EXPECT_TRUE(notifier.Stopping().ok());
  EXPECT_EQ(manager.Receive(), "STOPPING=1\n");
}

INSTANTIATE_TEST_SUITE_P(Sockets, ServiceNotifierTest, testing::Values("/tmp/kiln_notify_test_", "@kiln_notify_test_"),
                         [](const auto& info) { return info.param[0] == '@' ? "Abstract" : "Path"; });

TEST(ServiceNotifierWithoutManager, DoesNothing) {
  const ServiceNotifier notifier = Make({});
  EXPECT_FALSE(notifier.enabled());
  EXPECT_TRUE(notifier.Ready("x").ok());
  EXPECT_EQ(notifier.watchdog_interval(), absl::ZeroDuration());
}

TEST(ServiceNotifierErrors, NameTheSocket) {
  const Status gone = Make({{"NOTIFY_SOCKET", "/nonexistent/notify"}}).Ready("x");
  EXPECT_THAT(std::string(Message(gone)), testing::HasSubstr("/nonexistent/notify): No such file"));
  EXPECT_EQ(Make({{"NOTIFY_SOCKET", "vsock:2:1"}}).Ready("x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Make({{"NOTIFY_SOCKET", "/" + std::string(200, 'x')}}).Ready("x").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Watchdog, IsForTheProcessThatItNames) {
  const std::string own = std::to_string(::getpid());
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "30000000"}}).watchdog_interval(), absl::Seconds(30));
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", own}}).watchdog_interval(), absl::Seconds(30));
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "1"}}).watchdog_interval(), absl::ZeroDuration());
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", ""}}).watchdog_interval(), absl::ZeroDuration());
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "-5"}}).watchdog_interval(), absl::ZeroDuration());
  EXPECT_EQ(Make({{"WATCHDOG_USEC", "soon"}}).watchdog_interval(), absl::ZeroDuration());
}

}  // namespace
}  // namespace kiln::agent
