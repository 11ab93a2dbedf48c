// SPDX-License-Identifier: Apache-2.0
// The same as C++20.
#include <kiln/context.h>

#include <array>

int KilnHeadersCompileAsCpp() {
  static const kiln::AttributeKey kRoute("http.route");
  constexpr std::array<std::uint8_t, 16> kTrace = {1};
  constexpr std::array<std::uint8_t, 8> kSpan = {1};
  kiln::ScopedSpan span(kTrace, kSpan, 1);
  kiln::ContextRecord record;
  const kiln::ScopedContext scope(&record);
  return span.Set(kRoute, "/") && kiln::PublishProcess({{"service.name", "checkout"}}) ? 0 : 1;
}
