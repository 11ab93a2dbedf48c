// SPDX-License-Identifier: Apache-2.0
// What publishing costs the thread that does it, through the shared library, as most services link it.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/kiln/context.h"

namespace {

constexpr std::array<uint8_t, 16> kTrace = {1};
constexpr std::array<uint8_t, 8> kSpan = {2};

// The work moves on: its record takes the place of another.
void Switch(benchmark::State& state) {
  const kiln::ContextRecord records[2] = {{kTrace, kSpan, 1}, {kTrace, kSpan, 1}};
  size_t turn = 0;
  for (auto _ : state) benchmark::DoNotOptimize(kiln_context_attach(records[turn++ & 1].get()));
  kiln_context_attach(nullptr);
}
BENCHMARK(Switch);

// A whole span: its record filled, attached, detached. Argument: attributes that it takes over.
void Span(benchmark::State& state) {
  kiln::ScopedSpan outer(kTrace, kSpan, 1);
  const std::array<kiln::AttributeKey, 3> keys = {kiln::AttributeKey("http.route"), kiln::AttributeKey("tenant"),
                                                  kiln::AttributeKey("rpc.method")};
  for (int64_t i = 0; i < state.range(0); ++i) outer.Set(keys.at(static_cast<size_t>(i)), "/cart/{id}/items");
  for (auto _ : state) {
    kiln::ScopedSpan span(kTrace, kSpan, 1);
    benchmark::DoNotOptimize(&span);
  }
}
BENCHMARK(Span)->Arg(0)->Arg(3);

// An attribute of an attached record is set to another value; before it others. Argument: how many.
void Attribute(benchmark::State& state) {
  kiln::ScopedSpan span(kTrace, kSpan, 1);
  for (int64_t i = 0; i < state.range(0); ++i) {
    span.Set(kiln::AttributeKey(("other" + std::to_string(i)).c_str()), "some value");
  }
  const kiln::AttributeKey route("http.route");
  size_t turn = 0;
  constexpr std::string_view kRoutes[2] = {"/cart/{id}", "/checkout"};
  for (auto _ : state) benchmark::DoNotOptimize(span.Set(route, kRoutes[turn++ & 1]));
}
BENCHMARK(Attribute)->Arg(0)->Arg(4);

// The first value of an attribute.
void FirstAttribute(benchmark::State& state) {
  const kiln::AttributeKey route("http.route");
  kiln::ScopedSpan span(kTrace, kSpan, 1);
  for (auto _ : state) {
    span.Clear(route);
    benchmark::DoNotOptimize(span.Set(route, "/cart/{id}"));
  }
}
BENCHMARK(FirstAttribute);

}  // namespace
