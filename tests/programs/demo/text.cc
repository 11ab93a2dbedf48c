// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/demo/text.h"

#include <cctype>
#include <charconv>
#include <optional>

namespace demo {
namespace {

constexpr const char* kMethods[] = {"GET", "GET", "GET", "PUT", "POST", "DELETE"};
constexpr const char* kWords[] = {"Orders", "Customers", "Invoices", "Parcels", "Returns", "Search", "Basket", "Stock"};

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Cuts `text` at the first `separator`; returns what stood before it.
std::string_view NextField(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

__attribute__((noinline)) std::optional<Request> ParseLine(std::string_view line) {
  const auto time_ms = ParseNumber<int64_t>(NextField(line, ' '));
  const std::string_view method = NextField(line, ' ');
  const std::string_view path = NextField(line, ' ');
  const auto status = ParseNumber<int>(NextField(line, ' '));
  const auto seconds = ParseNumber<double>(line);
  if (!time_ms || !status || !seconds || path.empty()) return std::nullopt;
  return Request{*time_ms, std::string(method), std::string(path), *status, *seconds};
}

__attribute__((noinline)) std::string FormatLine(kiln::programs::Random& random) {
  std::string line = std::to_string(1'700'000'000'000 + random.Between(0, 1'000'000));
  line.append(" ").append(kMethods[random.Between(0, std::size(kMethods))]).append(" ");
  for (int64_t depth = random.Between(1, 5); depth > 0; --depth) {
    line.append("/").append(kWords[random.Between(0, std::size(kWords))]);
  }
  line.append("/").append(std::to_string(random.Between(1, 5'000)));
  line.append(random.Between(0, 20) == 0 ? " 500 " : " 200 ")
      .append("0.")
      .append(std::to_string(random.Between(1, 999)));
  return line;
}

}  // namespace

std::string GenerateLog(kiln::programs::Random& random, int count) {
  std::string log;
  while (count-- > 0) log.append(FormatLine(random)).append("\n");
  return log;
}

std::vector<Request> ParseLog(std::string_view log) {
  std::vector<Request> requests;
  while (!log.empty()) {
    if (auto request = ParseLine(NextField(log, '\n'))) requests.push_back(*std::move(request));
  }
  return requests;
}

std::vector<std::string> Tokenize(std::string_view path) {
  std::vector<std::string> tokens;
  while (!path.empty()) {
    std::string token(NextField(path, '/'));
    for (char& letter : token) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    if (!token.empty()) tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace demo
