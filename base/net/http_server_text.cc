// SPDX-License-Identifier: Apache-2.0
// The parts of the server that only read text.
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <arpa/inet.h>

#include "base/net/http_server.h"

namespace kiln {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string DecodeQuery(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

bool IsPort(std::string_view text) {
  int port = 0;
  return !text.empty() && text.size() <= 5 && absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &port) &&
         absl::ascii_isdigit(static_cast<unsigned char>(text[0])) && port <= 65535;
}

}  // namespace

std::optional<std::string_view> HttpServerRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::string> HttpServerRequest::QueryParameter(std::string_view name) const {
  for (const absl::string_view part : absl::StrSplit(query, '&')) {
    const std::string_view text(part.data(), part.size());
    const size_t equals = text.find('=');
    if (DecodeQuery(text.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? "" : DecodeQuery(text.substr(equals + 1));
  }
  return std::nullopt;
}

StatusOr<std::pair<std::string, int>> ParseListenAddress(std::string_view address) {
  const auto refuse = [&](std::string_view why) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "the address '{}' {}: write HOST:PORT, as localhost:8888, [::1]:8888 or :8888 for all interfaces",
                 address, why);
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return refuse("has no port");
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (!IsPort(port)) return refuse("has a port that is not a number from 0 to 65535");
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return refuse("has a bracket that is not closed");
    host = host.substr(1, host.size() - 2);
    in6_addr parsed{};
    if (::inet_pton(AF_INET6, std::string(host).c_str(), &parsed) != 1)
      return refuse("has no IPv6 address in brackets");
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("has an IPv6 address without brackets");
  }
  if (host.find_first_of(" \t\r\n/@") != std::string_view::npos) return refuse("has a host that is no name");
  int number = 0;
  (void)absl::SimpleAtoi(absl::string_view(port.data(), port.size()), &number);
  return std::pair(std::string(host), number);
}

bool IsLoopbackHost(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view rest = host.substr(end + 1);
    return host.substr(1, end - 1) == "::1" && (rest.empty() || (rest[0] == ':' && IsPort(rest.substr(1))));
  }
  if (const size_t colon = host.find(':'); colon != std::string_view::npos) {
    if (!IsPort(host.substr(colon + 1))) return false;
    host = host.substr(0, colon);
  }
  if (absl::EqualsIgnoreCase(absl::string_view(host.data(), host.size()), "localhost")) return true;
  in_addr parsed{};  // strict: four decimal numbers, so no name can look like it
  return ::inet_pton(AF_INET, std::string(host).c_str(), &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

bool AcceptsGzip(std::string_view accept_encoding) {
  bool any = false;
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(accept_encoding.data(), accept_encoding.size()), ',')) {
    const std::pair<absl::string_view, absl::string_view> coding = absl::StrSplit(part, absl::MaxSplits(';', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(coding.first);
    absl::string_view weight = absl::StripAsciiWhitespace(coding.second);
    double quality = 1;
    if (absl::ConsumePrefix(&weight, "q=") && !absl::SimpleAtod(weight, &quality)) quality = 0;
    if (absl::EqualsIgnoreCase(name, "gzip")) return quality > 0;  // says more than "*"
    if (name == "*") any = quality > 0;
  }
  return any;
}

}  // namespace kiln
