// SPDX-License-Identifier: Apache-2.0
#include "sdk/kiln/process_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sdk/kiln/thread_context.h"

namespace kiln {
namespace {

struct Header {
  char signature[8];
  uint32_t version;
  uint32_t payload_bytes;
  uint64_t published_at_ns;
  uint64_t payload;
};

// The mappings that readers would look at.
std::vector<const volatile Header*> FindMappings() {
  std::vector<const volatile Header*> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    for (const std::string_view name : {" [anon_shmem:OTEL_CTX]", " [anon:OTEL_CTX]", " /memfd:OTEL_CTX"}) {
      if (line.find(name) == std::string::npos) continue;
      found.push_back(reinterpret_cast<const volatile Header*>(std::stoull(line, nullptr, 16)));
    }
  }
  return found;
}

// Protobuf, as far as it is needed: fields with a length alone.
using Fields = std::vector<std::pair<int, std::string_view>>;
Fields FieldsOf(std::string_view message) {
  Fields fields;
  while (!message.empty()) {
    const auto tag = static_cast<uint8_t>(message[0]);
    EXPECT_EQ(tag & 7, 2);
    size_t length = 0, at = 1, shift = 0;
    for (bool more = true; more; shift += 7) {
      const auto byte = static_cast<uint8_t>(message.at(at++));
      length |= size_t{byte & 0x7fu} << shift;
      more = (byte & 0x80) != 0;
    }
    EXPECT_LE(length, message.size() - at);
    fields.emplace_back(tag >> 3, message.substr(at, length));
    message.remove_prefix(at + length);
  }
  return fields;
}

std::string_view Only(std::string_view message, int number) {
  const Fields fields = FieldsOf(message);
  EXPECT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.at(0).first, number);
  return fields.at(0).second;
}

struct Context {
  std::map<std::string, std::string> resource;
  std::string schema;
  std::vector<std::string> keys;
};

Context Parse(std::string_view payload) {
  Context context;
  const auto pair = [](std::string_view message) {
    const Fields fields = FieldsOf(message);
    EXPECT_EQ(fields.size(), 2u);
    EXPECT_EQ(fields.at(0).first, 1);
    EXPECT_EQ(fields.at(1).first, 2);
    return std::pair(std::string(fields.at(0).second), fields.at(1).second);
  };
  for (const auto& [number, field] : FieldsOf(payload)) {
    if (number == 1) {
      for (const auto& [of_resource, attribute] : FieldsOf(field)) {
        EXPECT_EQ(of_resource, 1);
        const auto [key, value] = pair(attribute);
        context.resource[key] = Only(value, 1);
      }
      continue;
    }
    EXPECT_EQ(number, 2);
    const auto [key, value] = pair(field);
    if (key == "threadlocal.schema_version") {
      context.schema = Only(value, 1);
    } else {
      EXPECT_EQ(key, "threadlocal.attribute_key_map");
      for (const auto& [of_array, entry] : FieldsOf(Only(value, 5))) {
        EXPECT_EQ(of_array, 1);
        context.keys.emplace_back(Only(entry, 1));
      }
    }
  }
  return context;
}

// nullopt = there is none.
std::optional<Context> Read() {
  const auto mappings = FindMappings();
  EXPECT_LE(mappings.size(), 1u) << "one context per process";
  if (mappings.empty()) return std::nullopt;
  const Header header = const_cast<const Header&>(*mappings[0]);
  EXPECT_EQ(std::string_view(header.signature, 8), "OTEL_CTX");
  EXPECT_EQ(header.version, 2u);
  EXPECT_NE(header.published_at_ns, 0u);
  return Parse({reinterpret_cast<const char*>(header.payload), header.payload_bytes});
}

int Publish(const std::vector<kiln_attribute>& resource, unsigned flags = 0) {
  return kiln_process_context_publish(resource.data(), resource.size(), flags);
}

class ProcessContext : public testing::Test {
 protected:
  ~ProcessContext() override { kiln_process_context_withdraw(); }

  // The exit status of a child that runs `body`; what that expects must hold there.
  template <typename Body>
  void InChild(Body body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      body();
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
};

TEST_F(ProcessContext, HasResourceSchemaAndKeys) {
  const int route = kiln_attribute_key("http.route");
  ASSERT_EQ(Publish({{"service.name", "checkout"}, {"service.version", ""}}), 0);
  const auto context = Read();
  ASSERT_TRUE(context);
  EXPECT_THAT(context->resource,
              testing::ElementsAre(testing::Pair("service.name", "checkout"), testing::Pair("service.version", "")));
  EXPECT_EQ(context->schema, "tlsdesc_v1_dev");
  EXPECT_EQ(context->keys.at(static_cast<size_t>(route)), "http.route");
}

TEST_F(ProcessContext, KeysKeepTheirNumbersAndAreSeenAtOnce) {
  ASSERT_EQ(Publish({}), 0);
  const uint64_t before = FindMappings().at(0)->published_at_ns;
  const int tenant = kiln_attribute_key("of this test alone");
  EXPECT_GT(FindMappings().at(0)->published_at_ns, before);
  const int method = kiln_attribute_key("rpc.method");
  EXPECT_NE(tenant, method);
  EXPECT_EQ(kiln_attribute_key("of this test alone"), tenant);
  EXPECT_EQ(Read()->keys.at(static_cast<size_t>(tenant)), "of this test alone");
  EXPECT_EQ(Read()->keys.at(static_cast<size_t>(method)), "rpc.method");
  EXPECT_EQ(kiln_attribute_key(""), -1);
  EXPECT_EQ(kiln_attribute_key(nullptr), -1);
}

TEST_F(ProcessContext, ThereAreTwoHundredAndFiftySixKeysAtMost) {
  // In a process of its own: keys are for good.
  InChild([] {
    ASSERT_EQ(Publish({}), 0);
    int key = 0;
    for (int i = 0; key >= 0 && i < 1000; ++i) key = kiln_attribute_key(("key" + std::to_string(i)).c_str());
    EXPECT_EQ(key, -1);
    EXPECT_EQ(Read()->keys.size(), 256u);
    EXPECT_GE(kiln_attribute_key("key0"), 0) << "old ones are still known";
  });
}

TEST_F(ProcessContext, AnUpdateReplacesEverythingInTheSameMapping) {
  ASSERT_EQ(Publish({{"service.name", "one"}, {"host.name", "h"}}), 0);
  const auto mapping = FindMappings();
  const uint64_t before = mapping.at(0)->published_at_ns;
  ASSERT_EQ(Publish({{"service.name", "two"}}), 0);
  EXPECT_EQ(FindMappings(), mapping);
  EXPECT_GT(mapping[0]->published_at_ns, before);
  EXPECT_THAT(Read()->resource, testing::ElementsAre(testing::Pair("service.name", "two")));
  kiln_process_context_withdraw();
  EXPECT_FALSE(Read());
  kiln_process_context_withdraw();
  ASSERT_EQ(Publish({{"service.name", "three"}}), 0);
  EXPECT_THAT(Read()->resource, testing::ElementsAre(testing::Pair("service.name", "three")));
}

TEST_F(ProcessContext, WhatCannotBePublishedChangesNothing) {
  ASSERT_EQ(Publish({{"service.name", "one"}}), 0);
  EXPECT_EQ(Publish({{"service.name", nullptr}}), EINVAL);
  EXPECT_EQ(Publish({{nullptr, "x"}}), EINVAL);
  EXPECT_EQ(Publish({{"", "x"}}), EINVAL);
  EXPECT_EQ(Publish({{"a", "x"}, {"a", "y"}}), EINVAL);
  EXPECT_EQ(kiln_process_context_publish(nullptr, 1, 0), EINVAL);
  EXPECT_EQ(Publish({}, 0x80), EINVAL);
  const std::string large(40'000, 'x');
  EXPECT_EQ(Publish({{"a", large.c_str()}, {"b", large.c_str()}}), E2BIG);
  EXPECT_THAT(Read()->resource, testing::ElementsAre(testing::Pair("service.name", "one")));
  EXPECT_EQ(Publish({{"a", large.c_str()}}), 0);
  EXPECT_EQ(Read()->resource.at("a"), large);
}

TEST_F(ProcessContext, ChildrenHaveNoneUntilTheyPublish) {
  ASSERT_EQ(Publish({{"service.name", "parent"}}), 0);
  InChild([] {
    EXPECT_FALSE(Read());
    ASSERT_EQ(Publish({{"service.name", "child"}}), 0);
    EXPECT_EQ(Read()->resource.at("service.name"), "child");
  });
  EXPECT_EQ(Read()->resource.at("service.name"), "parent");
}

TEST_F(ProcessContext, ChildrenMayPublishWhatTheirParentIs) {
  ASSERT_EQ(Publish({{"service.instance.id", "1"}, {"service.name", "parent"}}, KILN_PUBLISH_IN_CHILDREN), 0);
  const int key = kiln_attribute_key("tenant");
  InChild([&] {
    ASSERT_TRUE(Read());
    EXPECT_THAT(Read()->resource, testing::ElementsAre(testing::Pair("service.name", "parent")));
    EXPECT_EQ(Read()->keys.at(static_cast<size_t>(key)), "tenant");
  });
  EXPECT_EQ(Read()->resource.at("service.instance.id"), "1");
}

// Fork handlers take the lock: a child must be able to register keys, whatever other threads did.
TEST_F(ProcessContext, ThreadsMayRegisterKeysWhileOthersFork) {
  ASSERT_EQ(Publish({{"service.name", "parent"}}, KILN_PUBLISH_IN_CHILDREN), 0);
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) kiln_attribute_key("http.route");
  });
  for (int i = 0; i < 20; ++i) {
    InChild([] { EXPECT_GE(kiln_attribute_key("http.route"), 0); });
  }
  stop = true;
  other.join();
}

}  // namespace
}  // namespace kiln
