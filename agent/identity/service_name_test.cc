// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/service_name.h"

#include <gtest/gtest.h>

namespace kiln::agent::identity {
namespace {

// Everything is known of it.
ProcessFacts Rich() {
  ProcessFacts facts{.comm = "comm", .executable_path = "/usr/bin/exe"};
  facts.environment = {{"OTEL_SERVICE_NAME", " named \n"}};
  facts.container_name = "container";
  facts.cgroup.systemd_unit = "unit@1.service";
  return facts;
}
const Attributes kAttributes = {{"service.name", "attribute"}};

TEST(ServiceName, TakesTheFirstThatIsKnown) {
  ProcessFacts facts = Rich();
  const auto expect = [&](const Attributes& attributes, bool units, const char* name, ServiceNameSource source) {
    const ServiceName service = ChooseServiceName(facts, attributes, {.systemd_unit = units});
    EXPECT_EQ(service.name, name);
    EXPECT_EQ(service.source, source) << name;
  };
  expect(kAttributes, true, "named", ServiceNameSource::kOtelServiceName);
  facts.environment = {{"OTEL_SERVICE_NAME", " "}};  // empty is as if it were not set
  expect(kAttributes, true, "attribute", ServiceNameSource::kResourceAttributes);
  expect({{"service.name", " "}}, true, "container", ServiceNameSource::kContainerName);
  facts.container_name.clear();
  expect({}, true, "unit", ServiceNameSource::kSystemdUnit);
  expect({}, false, "exe", ServiceNameSource::kExecutable);
  facts.cgroup.systemd_unit = "run-u7.service";
  expect({}, true, "exe", ServiceNameSource::kExecutable);
  facts.executable_path.clear();
  expect({}, true, "comm", ServiceNameSource::kExecutable);
  facts.is_kernel_thread = true;
  expect({}, true, "kernel", ServiceNameSource::kKernelThread);
  expect({}, true, "kernel", ServiceNameSource::kKernelThread);
  facts = {};
  expect({}, true, "unknown_service", ServiceNameSource::kUnknown);
}

TEST(ServiceName, CallsExecutablesByTheirFile) {
  EXPECT_EQ(ExecutableName({.comm = "c", .executable_path = "/usr/bin/x y"}), "x y");
  EXPECT_EQ(ExecutableName({.comm = "c", .executable_path = "/memfd:jit"}), "memfd:jit");
  EXPECT_EQ(ExecutableName({.comm = "c", .executable_path = "/"}), "c");
  EXPECT_EQ(ExecutableName({.comm = "c", .executable_path = "plain"}), "plain");
  EXPECT_EQ(ExecutableName({}), "");
}

}  // namespace
}  // namespace kiln::agent::identity
