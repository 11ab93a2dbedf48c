// SPDX-License-Identifier: Apache-2.0
#include "exporters/endpoint.h"

#include <gmock/gmock.h>

namespace kiln::exporters {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GrpcUrl, TakesTheFormsOfTheCollector) {
  EXPECT_EQ(*GrpcUrl("collector:4317", false), "https://collector:4317");
  EXPECT_EQ(*GrpcUrl("collector:4317", true), "http://collector:4317");
  EXPECT_EQ(*GrpcUrl("http://collector:4317", false), "http://collector:4317");
  EXPECT_EQ(*GrpcUrl("https://collector:4317/", true), "https://collector:4317");
  EXPECT_EQ(*GrpcUrl("HTTPS://collector:4317", true), "https://collector:4317");
  EXPECT_EQ(*GrpcUrl("dns:///collector:4317", false), "https://collector:4317");
  EXPECT_EQ(*GrpcUrl("[::1]:4317", true), "http://[::1]:4317");
}

TEST(GrpcUrl, RefusesOthersByName) {
  struct Case {
    const char* endpoint;
    const char* says;
  };
  const Case cases[] = {
      {"", "host is missing"},
      {":4317", "port is missing"},
      {"collector", "port is missing"},
      {"collector:0", "port is missing"},
      {"collector:99999", "port is missing"},
      {"https://collector", "port is missing"},
      {"::1", "port is missing"},
      {"[::1]", "port is missing"},
      {"unix:///run/otel.sock", "unix domain sockets are not supported"},
      {"unix:/run/otel.sock", "unix domain sockets are not supported"},
      {"unix-abstract://x", "unix domain sockets are not supported"},
      {"grpc://collector:4317", "\"grpc\" is not supported"},
      {"dns://8.8.8.8/collector:4317", "\"dns\" is not supported"},
      {"collector:4317/v1/traces", "no path"},
      {"https://me:secret@collector:4317", "user and password"},
      {"coll ector:4317", "blanks"},
  };
  for (const Case& c : cases) {
    const Status status = GrpcUrl(c.endpoint, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.endpoint;
    EXPECT_THAT(Message(status), HasSubstr(c.says)) << c.endpoint;
    EXPECT_THAT(Message(status), Not(HasSubstr("secret")));
  }
}

TEST(HttpUrl, TakesUrlsAndHostsWithPort) {
  EXPECT_EQ(*HttpUrl("https://h/otlp", true), "https://h/otlp");
  EXPECT_EQ(*HttpUrl("http://h:4318", false), "http://h:4318");
  EXPECT_EQ(*HttpUrl("h:4318", false), "https://h:4318");
  EXPECT_EQ(*HttpUrl("h:4318/otlp", true), "http://h:4318/otlp");
}

TEST(HttpUrl, RefusesOthersByName) {
  for (const char* endpoint :
       {"", "h", "ftp://h", "unix:///x", "http://", "http:///v1", "http://h/#x", "http://h\n/"}) {
    EXPECT_EQ(HttpUrl(endpoint, false).status().code(), absl::StatusCode::kInvalidArgument) << endpoint;
  }
}

TEST(JoinUrl, PutsOneSlashBetween) {
  EXPECT_EQ(JoinUrl("http://h", "/v1/traces"), "http://h/v1/traces");
  EXPECT_EQ(JoinUrl("http://h/otlp/", "/v1/traces"), "http://h/otlp/v1/traces");
}

}  // namespace
}  // namespace kiln::exporters
