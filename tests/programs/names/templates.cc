// SPDX-License-Identifier: Apache-2.0
// C++: deep templates, lambdas, anonymous namespaces, exceptions, virtual functions, thunks, always_inline in methods.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tests/programs/names/inlines.h"

volatile uint64_t sink;
extern "C" uint64_t other_source(uint64_t value);
extern "C" uint64_t assembly_sum(const uint64_t* values, uint64_t count);

namespace {

class Table {
 public:
  void Add(const std::string& name, uint64_t value) {
    if (value == 13) throw std::invalid_argument("thirteen: " + name);
    auto [at, fresh] = by_name_.try_emplace(name, value);
    if (!fresh) at->second = mix(at->second, value);
  }
  uint64_t Sum() const {
    return std::accumulate(by_name_.begin(), by_name_.end(), uint64_t{0},
                           [](uint64_t sum, const auto& entry) { return mix(sum, entry.second); });
  }

 private:
  std::map<std::string, uint64_t> by_name_;
};

struct Local {
  int value;
  bool operator<(const Local& other) const { return value < other.value; }
};

}  // namespace

namespace outer::inner {

template <int Depth>
struct Chain {
  __attribute__((always_inline)) static uint64_t Run(uint64_t value) {
    if (value % (Depth + 2) == 0) return Chain<Depth - 1>::Run(mix(value, Depth));
    return rotate(Chain<Depth - 1>::Run(value + Depth), Depth);
  }
};
template <>
struct Chain<0> {
  __attribute__((always_inline)) static uint64_t Run(uint64_t value) { return maybe_inlined(value); }
};

template <typename T, typename... Rest>
uint64_t HashAll(const T& first, const Rest&... rest) {
  const uint64_t hash = std::hash<T>()(first);
  if constexpr (sizeof...(rest) == 0) {
    return hash;
  } else {
    return mix(hash, HashAll(rest...));
  }
}

template <typename Key, template <typename...> class Map = std::unordered_map>
class Counter {
 public:
  uint64_t& operator[](const Key& key) { return counts_[key]; }
  template <typename Visit>
  void Each(Visit&& visit) const {
    for (const auto& [key, count] : counts_) visit(key, count);
  }

 private:
  Map<Key, uint64_t> counts_;
};

inline namespace version_1 {

class Shape {
 public:
  virtual ~Shape() = default;
  virtual uint64_t Area() const = 0;
};
class Named {
 public:
  virtual ~Named() = default;
  virtual std::string Name() const { return "named"; }
};
class Square final : public Shape, public Named {
 public:
  explicit Square(uint64_t side) : side_(side) {}
  uint64_t Area() const override { return mix(side_, side_); }
  std::string Name() const override { return "square of " + std::to_string(side_); }

 private:
  uint64_t side_;
};

}  // namespace version_1

uint64_t Visit(const std::variant<int, std::string, std::vector<double>>& what) {
  struct Visitor {
    uint64_t operator()(int value) const { return mix(static_cast<uint64_t>(value), 1); }
    uint64_t operator()(const std::string& text) const { return std::hash<std::string>()(text); }
    uint64_t operator()(const std::vector<double>& values) const {
      return static_cast<uint64_t>(std::accumulate(values.begin(), values.end(), 0.5));
    }
  };
  return std::visit(Visitor(), what);
}

}  // namespace outer::inner

namespace {

[[gnu::noinline]] uint64_t Guarded(Table& table, const std::string& name, uint64_t value) {
  try {
    table.Add(name, value);
    return table.Sum();
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 0;
  } catch (...) {
    throw;
  }
}

template <typename Function>
auto Twice(Function function) {
  return [function](auto value) { return function(function(value)); };
}

struct Registrar {
  Registrar() { sink = 1; }
  ~Registrar() { sink = 2; }
} registrar;

}  // namespace

int main(int argc, char** argv) {
  using namespace outer::inner;
  Table table;
  Counter<std::string> words;
  Counter<int, std::map> numbers;
  uint64_t result = static_cast<uint64_t>(argc);
  for (int i = 0; i < 100; ++i) {
    result ^= Guarded(table, "name " + std::to_string(i % 17), static_cast<uint64_t>(i));
    result ^= Chain<7>::Run(result);
    ++words[std::string(static_cast<size_t>(i % 5), 'x')];
    numbers[i % 9] += result;
  }
  words.Each([&](const std::string& word, uint64_t count) { result ^= HashAll(word, count, 'c'); });
  numbers.Each([&result](int number, uint64_t count) { result = mix(result, HashAll(number) + count); });
  std::vector<Local> locals;
  for (int i = 0; i < 50; ++i) locals.push_back({(i * 37) % 50});
  std::sort(locals.begin(), locals.end());
  std::stable_sort(locals.begin(), locals.end(), [](const Local& a, const Local& b) { return b < a; });
  const auto four_times = Twice(Twice([&](uint64_t value) { return mix(value, result); }));
  result ^= four_times(static_cast<uint64_t>(locals.front().value));
  std::vector<std::unique_ptr<Shape>> shapes;
  for (uint64_t side = 1; side < 5; ++side) shapes.push_back(std::make_unique<Square>(side));
  for (const auto& shape : shapes) {
    result ^= shape->Area();
    if (const auto* named = dynamic_cast<const Named*>(shape.get())) result ^= named->Name().size();
  }
  std::function<uint64_t(uint64_t)> recursive = [&](uint64_t value) {
    return value < 2 ? value : mix(recursive(value - 1), recursive(value - 2));
  };
  result ^= recursive(12) ^ Visit(argc) ^ Visit(std::string(argv[0])) ^ Visit(std::vector<double>{1.5, 2.5});
  uint64_t values[] = {result, 2, 3};
  sink = result ^ other_source(result) ^ assembly_sum(values, 3);
  return 0;
}
