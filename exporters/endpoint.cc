// SPDX-License-Identifier: Apache-2.0
#include "exporters/endpoint.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <algorithm>
#include <optional>

namespace kiln::exporters {
namespace {

struct Split {
  std::string scheme;  // in lower case; "" if there is none
  std::string_view authority;
  std::string_view rest;  // path and all behind it
};

Split SplitEndpoint(std::string_view text) {
  Split split;
  if (const size_t end = text.find("://"); end != std::string_view::npos) {
    split.scheme = absl::AsciiStrToLower({text.data(), end});
    text.remove_prefix(end + 3);
  } else if (text.starts_with("unix:")) {
    split.scheme = "unix";
    text.remove_prefix(5);
  }
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  split.authority = text.substr(0, end);
  split.rest = text.substr(end);
  return split;
}

// Without what may be a secret.
std::string Shown(std::string_view endpoint) {
  const Split split = SplitEndpoint(endpoint);
  const size_t at = split.authority.rfind('@');
  if (at == std::string_view::npos) return std::string(endpoint);
  return fmt::format("{}{}…@{}", split.scheme, split.scheme.empty() ? "" : "://", split.authority.substr(at + 1));
}

Status Invalid(std::string_view endpoint, std::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "endpoint \"{}\": {}", Shown(endpoint), why);
}

// The port behind a host; nullopt if there is none or it is no port.
std::optional<int> PortOf(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (colon == std::string_view::npos || colon == 0 || (bracket != std::string_view::npos && colon < bracket))
    return std::nullopt;
  // Of an address of IPv6 without brackets, the last group is no port.
  if (bracket == std::string_view::npos && authority.find(':') != colon) return std::nullopt;
  int port = 0;
  const std::string_view digits = authority.substr(colon + 1);
  if (!absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &port) || port < 1 || port > 65535)
    return std::nullopt;
  return port;
}

Status CheckAuthority(std::string_view endpoint, std::string_view authority) {
  if (authority.empty()) return Invalid(endpoint, "the host is missing");
  for (const char c : authority)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return Invalid(endpoint, "holds blanks or control characters");
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::string> GrpcUrl(std::string_view endpoint, bool insecure) {
  constexpr std::string_view kForms = "write host:port, http://host:port (without TLS) or https://host:port";
  Split split = SplitEndpoint(endpoint);
  if (split.scheme == "unix" || split.scheme == "unix-abstract")
    return Invalid(endpoint, fmt::format("unix domain sockets are not supported; {}", kForms));
  if (split.scheme == "dns" && split.authority.empty() && split.rest.starts_with('/')) {
    split = SplitEndpoint(split.rest.substr(1));
    if (!split.scheme.empty()) return Invalid(endpoint, kForms);
  }
  if (!split.scheme.empty() && split.scheme != "http" && split.scheme != "https")
    return Invalid(endpoint, fmt::format("the scheme \"{}\" is not supported; {}", split.scheme, kForms));
  KILN_RETURN_IF_ERROR(CheckAuthority(endpoint, split.authority));
  if (split.authority.find('@') != std::string_view::npos)
    return Invalid(endpoint, "user and password don't belong here; use an authenticator or headers");
  if (!PortOf(split.authority).has_value())
    return Invalid(endpoint, fmt::format("the port is missing or is none; {}", kForms));
  if (!split.rest.empty() && split.rest != "/") return Invalid(endpoint, fmt::format("gRPC takes no path; {}", kForms));
  const bool tls = split.scheme.empty() ? !insecure : split.scheme == "https";
  return fmt::format("{}://{}", tls ? "https" : "http", split.authority);
}

StatusOr<std::string> HttpUrl(std::string_view endpoint, bool insecure) {
  constexpr std::string_view kForms =
      "write http://host:port or https://host:port, with a path if needed, or host:port";
  const Split split = SplitEndpoint(endpoint);
  if (split.scheme == "unix")
    return Invalid(endpoint, fmt::format("unix domain sockets are not supported; {}", kForms));
  if (!split.scheme.empty() && split.scheme != "http" && split.scheme != "https")
    return Invalid(endpoint, fmt::format("the scheme \"{}\" is not supported; {}", split.scheme, kForms));
  KILN_RETURN_IF_ERROR(CheckAuthority(endpoint, split.authority));
  if (split.rest.find('#') != std::string_view::npos) return Invalid(endpoint, "a fragment (#…) does not belong here");
  if (!split.scheme.empty()) return std::string(endpoint);
  if (!PortOf(split.authority).has_value()) return Invalid(endpoint, kForms);
  return fmt::format("{}://{}", insecure ? "http" : "https", endpoint);
}

std::string JoinUrl(std::string_view base, std::string_view path) {
  if (base.ends_with('/')) base.remove_suffix(1);
  return fmt::format("{}{}", base, path);
}

}  // namespace kiln::exporters
