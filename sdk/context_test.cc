// SPDX-License-Identifier: Apache-2.0
#include "sdk/kiln/context.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <thread>

namespace kiln {
namespace {

constexpr std::array<uint8_t, 16> kTrace = {1, 2, 3};
constexpr std::array<uint8_t, 8> kOuter = {4};
constexpr std::array<uint8_t, 8> kInner = {5};

std::string_view CurrentRoute(const AttributeKey& key) {
  size_t bytes = 0;
  const char* const value = kiln_context_record_get(kiln_context_current(), key.index(), &bytes);
  return value == nullptr ? std::string_view() : std::string_view(value, bytes);
}

TEST(ScopedSpan, IsTheContextUntilItEndsAndHasTheAttributesAroundIt) {
  static const AttributeKey kRoute("http.route");
  EXPECT_EQ(kiln_context_current(), nullptr);
  {
    ScopedSpan outer(kTrace, kOuter, 1);
    EXPECT_TRUE(outer.Set(kRoute, "/cart/{id}"));
    const kiln_context_record* const of_outer = kiln_context_current();
    {
      ScopedSpan inner(kTrace, kInner, 1);
      EXPECT_EQ(kiln_context_current()->span_id[0], 5);
      EXPECT_EQ(CurrentRoute(kRoute), "/cart/{id}");
      inner.Set(kRoute, "/other");
    }
    EXPECT_EQ(kiln_context_current(), of_outer);
    EXPECT_EQ(CurrentRoute(kRoute), "/cart/{id}");
    outer.Clear(kRoute);
    EXPECT_EQ(CurrentRoute(kRoute), "");
  }
  EXPECT_EQ(kiln_context_current(), nullptr);
}

TEST(ScopedContext, GoesWithTheWorkFromThreadToThread) {
  static const AttributeKey kTenant("tenant");
  ContextRecord work(kTrace, kOuter, 0);
  work.Set(kTenant, "first");
  const auto piece = [&](std::string_view next) {
    const ScopedContext scope(&work);
    EXPECT_EQ(kiln_context_current(), work.get());
    work.Set(kTenant, next);
    const ScopedContext nobody(nullptr);
    EXPECT_EQ(kiln_context_current(), nullptr);
  };
  for (const std::string_view next : {"second", "third"}) std::thread(piece, next).join();
  EXPECT_EQ(work.Get(kTenant), "third");
  EXPECT_EQ(kiln_context_current(), nullptr);
}

TEST(ContextRecord, TellsWhatIsNotPublished) {
  ContextRecord record;
  const AttributeKey key("http.route");
  EXPECT_EQ(record.Get(key), std::nullopt);
  const AttributeKey none("");
  EXPECT_FALSE(record.Set(none, "x"));
  EXPECT_EQ(record.Get(none), std::nullopt);
  EXPECT_TRUE(PublishProcess({{"service.name", "checkout"}}));
  EXPECT_FALSE(PublishProcess({{"", "checkout"}}));
  kiln_process_context_withdraw();
}

}  // namespace
}  // namespace kiln
