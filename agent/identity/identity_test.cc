// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/identity/testing/fake_proc.h"
#include "base/file.h"
#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kA = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const std::string kUid = "d965450c-a307-418f-9349-5a715e85cdd3";

std::vector<std::string> Keys(const Attributes& attributes) {
  std::vector<std::string> keys;
  for (const Attribute& attribute : attributes) keys.push_back(attribute.key);
  return keys;
}

class IdentityTest : public ::testing::Test {
 protected:
  IdentityTest() {
    proc_.WriteRoot("passwd", "");
    options_.proc_root = proc_.root();
    options_.host = {.root = proc_.root() + "/none", .name = "node"};
    options_.boot_unix_ns = [] { return int64_t{1'700'000'000'000'000'000}; };
  }
  IdentityReader& Reader() {
    if (!reader_) {
      auto created = IdentityReader::Create(options_, registry_);
      EXPECT_TRUE(created.ok()) << created.status();
      reader_ = *std::move(created);
    }
    return *reader_;
  }
  ProcessIdentity Read(Pid pid) { return Reader().Read({.pid = pid}); }
  std::string Value(const ProcessIdentity& identity, std::string_view key) {
    const Attribute* attribute = Find(identity.attributes, key);
    return attribute != nullptr ? TextOf(*attribute) : "(none)";
  }
  void SetEnvironment(Pid pid, const std::vector<std::string>& variables) {
    std::string text;
    for (const std::string& variable : variables) text += variable + '\0';
    proc_.Write(pid, "environ", text);
  }

  testing::FakeProc proc_{"kiln_identity"};
  IdentityOptions options_;
  MetricRegistry registry_;
  std::unique_ptr<IdentityReader> reader_;
};

TEST_F(IdentityTest, DescribesAProcessInAPod) {
  proc_.Add(Pid{7}, {.comm = "java", .parent = 3, .start_ticks = 0, .exe = "/opt/jdk/bin/java", .mount_namespace = 2});
  proc_.Write(Pid{7}, "cgroup", "0::/kubepods.slice/kubepods-pod" + kUid + ".slice/cri-containerd-" + kA + ".scope\n");
  proc_.Write(Pid{7}, "mountinfo",
              "9 8 1:2 /pods/" + kUid + "/containers/shop/0a1b2c3d /dev/termination-log rw - ext4 d rw\n");
  SetEnvironment(Pid{7}, {"OTEL_RESOURCE_ATTRIBUTES=team=a%20b,service.version=2", "REGION=eu"});
  options_.environment_variables = {"REGION", "NONE", "REGION"};
  const ProcessIdentity identity = Reader().Read({.pid = Pid{7}, .namespaced_pid = Pid{1}, .start_ns = 1'500'000});
  EXPECT_EQ(identity.source, ServiceNameSource::kContainerName);
  EXPECT_FALSE(identity.dropped);
  Attributes first(identity.attributes.begin(), identity.attributes.begin() + 13);
  EXPECT_THAT(first, ElementsAre(Attribute{"service.name", "shop"}, Attribute{"service.version", "2"},
                                 Attribute{"process.pid", int64_t{7}}, Attribute{"process.executable.name", "java"},
                                 Attribute{"container.id", kA}, Attribute{"k8s.pod.uid", kUid},
                                 Attribute{"k8s.container.name", "shop"}, Attribute{"host.name", "node"},
                                 Attribute{"team", "a b"}, Attribute{"process.environment_variable.REGION", "eu"},
                                 Attribute{"process.executable.path", "/opt/jdk/bin/java"},
                                 Attribute{"container.runtime.name", "containerd"},
                                 Attribute{"process.owner", std::to_string(::getuid())}));
  EXPECT_EQ(Value(identity, "process.creation.time"), "2023-11-14T22:13:20.001Z");
  EXPECT_EQ(Value(identity, "process.parent_pid"), "3");
  EXPECT_EQ(Value(identity, "process.vpid"), "1");
  EXPECT_EQ(Value(identity, "os.type"), "linux");
  EXPECT_EQ(Value(identity, "process.command_line"), "(none)");
  EXPECT_EQ(Reader().metrics().Sources(ServiceNameSource::kContainerName), 1);
}

// The environment of a process is under its own control: it can't make it another one.
TEST_F(IdentityTest, LetsNoEnvironmentClaimWhatIsKnown) {
  proc_.Add(Pid{7}, {});
  SetEnvironment(Pid{7}, {"OTEL_RESOURCE_ATTRIBUTES=process.pid=1,host.name=other,service_name=x,service.name=s,"
                          "os.type=beos,service.instance.id=i,host.image.name=img"});
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_EQ(Value(identity, "process.pid"), "7");
  EXPECT_EQ(Value(identity, "host.name"), "node");
  EXPECT_EQ(Value(identity, "os.type"), "linux");
  EXPECT_EQ(Value(identity, "service_name"), "(none)");
  EXPECT_EQ(Value(identity, "service.name"), "s");
  EXPECT_EQ(Value(identity, "service.instance.id"), "i");
  EXPECT_EQ(Value(identity, "host.image.name"), "img");
  EXPECT_EQ(Reader().metrics().overridden.value(), 4);
}

TEST_F(IdentityTest, CountsADamagedEnvironment) {
  proc_.Add(Pid{7}, {});
  SetEnvironment(Pid{7}, {"OTEL_RESOURCE_ATTRIBUTES=service.name=s,broken"});
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_EQ(Value(identity, "service.name"), "app");
  EXPECT_EQ(Reader().metrics().invalid_resource_attributes.value(), 1);
}

TEST_F(IdentityTest, ReadsNoEnvironmentUnlessAsked) {
  options_.otel_environment = false;
  proc_.Add(Pid{7}, {});
  SetEnvironment(Pid{7}, {"OTEL_SERVICE_NAME=s", "OTEL_RESOURCE_ATTRIBUTES=a=b"});
  EXPECT_EQ(Value(Read(Pid{7}), "service.name"), "app");
  reader_.reset();
  // As plain variables they may be asked for all the same.
  options_.environment_variables = {"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"};
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_EQ(Value(identity, "service.name"), "app");
  EXPECT_EQ(Value(identity, "process.environment_variable.OTEL_SERVICE_NAME"), "s");
  EXPECT_EQ(Value(identity, "process.environment_variable.OTEL_RESOURCE_ATTRIBUTES"), "a=b");
  EXPECT_EQ(Value(identity, "a"), "(none)");
}

TEST_F(IdentityTest, KeepsTheEssentialWhenThereAreTooMany) {
  options_.max_attributes = 6;
  options_.relabel = {{.action = RelabelAction::kSet, .target = "cluster", .value = "prod"}};
  proc_.Add(Pid{7}, {});
  std::string many = "OTEL_RESOURCE_ATTRIBUTES=service.namespace=n";
  for (int i = 0; i < 50; ++i) many += fmt::format(",k{}=v", i);
  SetEnvironment(Pid{7}, {many});
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_THAT(Keys(identity.attributes), ElementsAre("service.name", "cluster", "service.namespace", "process.pid",
                                                     "process.executable.name", "host.name"));
  EXPECT_GE(Reader().metrics().over_limit.value(), 50);
}

TEST_F(IdentityTest, CutsLongValuesBetweenCharacters) {
  options_.environment_variables = {"LONG"};
  proc_.Add(Pid{7}, {});
  std::string text(2047, 'x');
  SetEnvironment(Pid{7}, {"LONG=" + text + "\xc3\xa9" + "y"});
  EXPECT_EQ(Value(Read(Pid{7}), "process.environment_variable.LONG"), text);
  EXPECT_EQ(Reader().metrics().shortened.value(), 1);
  SetEnvironment(Pid{7}, {"LONG=" + std::string(100'000, 'x')});
  EXPECT_EQ(Value(Read(Pid{7}), "process.environment_variable.LONG").size(), 2048u);
  EXPECT_EQ(Reader().metrics().shortened.value(), 2);
  SetEnvironment(Pid{7}, {"OTEL_RESOURCE_ATTRIBUTES=" + std::string(1025, 'k') + "=v"});
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_THAT(Keys(identity.attributes), Not(::testing::Contains(HasSubstr("kkk"))));
  EXPECT_EQ(Reader().metrics().over_limit.value(), 1);
}

TEST_F(IdentityTest, WritesValidUtf8OfAnything) {
  options_.environment_variables = {"BAD"};
  options_.command_line = true;
  proc_.Add(Pid{7}, {.exe = "/opt/\xff\xfe"});
  SetEnvironment(Pid{7}, {"BAD=\xc3", "OTEL_SERVICE_NAME=\xff"});
  proc_.Write(Pid{7}, "cmdline", std::string("\xff\0x", 3));
  for (const Attribute& attribute : Read(Pid{7}).attributes) {
    EXPECT_TRUE(profile::IsValidUtf8(attribute.key));
    EXPECT_TRUE(profile::IsValidUtf8(TextOf(attribute))) << attribute.key;
    EXPECT_NE(TextOf(attribute), "") << attribute.key;
  }
}

TEST_F(IdentityTest, DropsByRule) {
  options_.relabel = {{.action = RelabelAction::kDrop, .source = "process.executable.name", .regex = "app"}};
  proc_.Add(Pid{7}, {});
  proc_.Add(Pid{8}, {.exe = "/bin/other"});
  const ProcessIdentity identity = Read(Pid{7});
  EXPECT_TRUE(identity.dropped);
  EXPECT_THAT(identity.attributes, IsEmpty());
  EXPECT_FALSE(Read(Pid{8}).dropped);
  EXPECT_EQ(Reader().metrics().dropped.value(), 1);
}

TEST_F(IdentityTest, TellsWhenARuleGaveTheName) {
  options_.relabel = {{.action = RelabelAction::kSet,
                       .source = "service.name",
                       .regex = "(a)pp",
                       .target = "service.name",
                       .value = "$1"}};
  proc_.Add(Pid{7}, {});
  proc_.Add(Pid{8}, {.exe = "/bin/other"});
  EXPECT_EQ(Read(Pid{7}).source, ServiceNameSource::kRelabel);
  EXPECT_EQ(Value(Read(Pid{7}), "service.name"), "a");
  EXPECT_EQ(Read(Pid{8}).source, ServiceNameSource::kExecutable);
}

TEST_F(IdentityTest, TakesAGoneChildForItsParent) {
  proc_.Add(Pid{7}, {.parent = 3});
  proc_.Write(Pid{7}, "cgroup", "0::/docker/" + kA);
  const ProcessIdentity parent = Read(Pid{7});
  const KnownProcess child{.pid = Pid{9}, .parent_pid = Pid{7}, .namespaced_pid = Pid{2}, .start_ns = 2'000'000'000};
  const ProcessIdentity identity = Reader().Read(child, &parent);
  EXPECT_EQ(Value(identity, "process.pid"), "9");
  EXPECT_EQ(Value(identity, "process.parent_pid"), "7");
  EXPECT_EQ(Value(identity, "process.vpid"), "2");
  EXPECT_EQ(Value(identity, "process.creation.time"), "2023-11-14T22:13:22.000Z");
  EXPECT_EQ(Value(identity, "container.id"), kA);
  EXPECT_EQ(Value(identity, "service.name"), "app");
  EXPECT_EQ(identity.source, parent.source);
  EXPECT_EQ(identity.attributes.size(), parent.attributes.size() + 1);  // its pid as it sees itself
  EXPECT_EQ(Reader().metrics().inherited.value(), 1);
  // One that is there speaks for itself.
  proc_.Add(Pid{9}, {.exe = "/bin/own"});
  EXPECT_EQ(Value(Reader().Read({.pid = Pid{9}}, &parent), "process.executable.name"), "own");
}

TEST_F(IdentityTest, AppliesRulesAnewToAGoneChild) {
  options_.relabel = {{.action = RelabelAction::kSet,
                       .source = "process.pid",
                       .regex = "(.*)",
                       .target = "service.instance.id",
                       .value = "pid-$1"},
                      {.action = RelabelAction::kRemove, .target = "process.pid"}};
  proc_.Add(Pid{7}, {});
  const ProcessIdentity parent = Read(Pid{7});
  EXPECT_EQ(Value(parent, "service.instance.id"), "pid-7");
  const ProcessIdentity child = Reader().Read({.pid = Pid{9}}, &parent);
  EXPECT_EQ(Value(child, "service.instance.id"), "pid-9");
  EXPECT_EQ(Value(child, "process.pid"), "(none)");
}

TEST_F(IdentityTest, SaysOfAStrangerWhatEventsTold) {
  const ProcessIdentity identity = Reader().Read({.pid = Pid{9}, .comm = "gone"});
  EXPECT_EQ(Value(identity, "service.name"), "gone");
  EXPECT_EQ(Value(identity, "process.pid"), "9");
  EXPECT_EQ(Value(identity, "process.executable.name"), "gone");
  EXPECT_EQ(Value(identity, "host.name"), "node");
  EXPECT_EQ(Value(identity, "process.creation.time"), "(none)");
}

TEST_F(IdentityTest, RefusesOptionsThatCannotBe) {
  options_.environment_variables = {"A=B"};
  options_.max_attributes = 0;
  options_.redaction_patterns = {"("};
  options_.relabel = {{}};
  const auto reader = IdentityReader::Create(options_, registry_);
  ASSERT_EQ(reader.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(Message(reader.status()));
  for (const char* part : {"\"A=B\"", "max_attributes is 0", "redaction pattern", "relabel rule 1"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST_F(IdentityTest, ShowsItsCountersInTheRegistry) {
  proc_.Add(Pid{7}, {});
  Read(Pid{7});
  Read(Pid{8});
  const std::string text = registry_.RenderPrometheus();
  EXPECT_THAT(text, HasSubstr("kiln_identity_service_names_total{source=\"executable\"} 1"));
  EXPECT_THAT(text, HasSubstr("kiln_identity_unread_total{part=\"process\",reason=\"gone\"} 1"));
}

// docs/resource-attributes.md has a row for each attribute, in the order in which they leave.
TEST_F(IdentityTest, IsDocumentedInItsOrder) {
  const auto page = ReadFile("docs/resource-attributes.md", 1 << 20);
  ASSERT_TRUE(page.ok()) << page.status();
  proc_.WriteRoot("passwd", fmt::format("me:x:{}:0\n", ::getuid()));
  proc_.Add(Pid{7}, {.mount_namespace = 2});
  proc_.Write(Pid{7}, "cgroup", "0::/system.slice/web.service/libpod-payload-" + kA);
  proc_.Write(Pid{7}, "cmdline", std::string("app\0", 4));
  SetEnvironment(Pid{7}, {"OTEL_RESOURCE_ATTRIBUTES=service.namespace=a,service.instance.id=b,service.version=c,"
                          "deployment.environment.name=d",
                          "REGION=eu"});
  options_.environment_variables = {"REGION"};
  options_.command_line = true;
  options_.max_attributes = 128;
  options_.host.root = "/";
  const ProcessIdentity identity = Reader().Read({.pid = Pid{7}, .namespaced_pid = Pid{1}});
  EXPECT_GE(identity.attributes.size(), 20u);
  size_t last = 0;
  for (const std::string& key : Keys(identity.attributes)) {
    const bool variable = key.starts_with("process.environment_variable.");
    const size_t row = page->find("| `" + (variable ? "process.environment_variable.NAME" : key) + "` |");
    EXPECT_NE(row, std::string::npos) << key;
    EXPECT_GT(row, last) << key << " is not in its place";
    last = row;
  }
}

// Against the real /proc and /etc.
TEST(IdentityLive, DescribesThisProcess) {
  MetricRegistry registry;
  const auto reader = IdentityReader::Create({.command_line = true}, registry);
  ASSERT_TRUE(reader.ok());
  const ProcessIdentity identity = (*reader)->Read({.pid = Pid{::getpid()}});
  ASSERT_NE(Find(identity.attributes, "process.executable.name"), nullptr);
  EXPECT_EQ(TextOf(*Find(identity.attributes, "process.executable.name")), "agent_identity_test");
  EXPECT_NE(Find(identity.attributes, "host.name"), nullptr);
  EXPECT_LE(identity.attributes.size(), 24u);
}

}  // namespace
}  // namespace kiln::agent::identity
