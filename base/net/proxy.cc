// SPDX-License-Identifier: Apache-2.0
#include "base/net/proxy.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <span>

namespace kiln {
namespace {

struct Address {
  std::array<uint8_t, 16> bytes{};
  size_t size = 0;  // 4 or 16
};

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string name(text);
  Address address;
  if (::inet_pton(AF_INET, name.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
    return address;
  }
  if (::inet_pton(AF_INET6, name.c_str(), address.bytes.data()) == 1) {
    address.size = 16;
    return address;
  }
  return std::nullopt;
}

bool IsLoopback(std::string_view host) {
  if (absl::EqualsIgnoreCase({host.data(), host.size()}, "localhost")) return true;
  const std::optional<Address> address = ParseAddress(host);
  if (!address.has_value()) return false;
  if (address->size == 4) return address->bytes[0] == 127;
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  return address->bytes == one;
}

bool InRange(const Address& address, const Address& range, int bits) {
  if (address.size != range.size || bits < 0 || bits > static_cast<int>(range.size) * 8) return false;
  for (size_t i = 0; i < range.size && bits > 0; i++, bits -= 8) {
    const int mask = bits >= 8 ? 0xff : 0xff << (8 - bits) & 0xff;
    if ((address.bytes[i] & mask) != (range.bytes[i] & mask)) return false;
  }
  return true;
}

// Takes ":port" off `entry`; nullopt if it has one that does not fit.
std::optional<std::string_view> WithoutPort(std::string_view entry, int port) {
  std::string_view host = entry, number;
  if (entry.starts_with('[')) {
    const size_t end = entry.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = entry.substr(1, end - 1);
    if (end + 1 < entry.size() && entry[end + 1] == ':') number = entry.substr(end + 2);
  } else if (const size_t colon = entry.find(':'); colon != std::string_view::npos && colon == entry.rfind(':')) {
    host = entry.substr(0, colon);
    number = entry.substr(colon + 1);
  }
  int wanted = 0;
  if (!number.empty() &&
      (!absl::SimpleAtoi(absl::string_view(number.data(), number.size()), &wanted) || wanted != port))
    return std::nullopt;
  return host;
}

bool Matches(std::string_view entry, const std::string& host, const std::optional<Address>& address, int port) {
  if (entry == "*") return true;
  if (const size_t slash = entry.find('/'); slash != std::string_view::npos) {
    const std::optional<Address> range = ParseAddress(entry.substr(0, slash));
    int bits = -1;
    const std::string_view length = entry.substr(slash + 1);
    return range.has_value() && address.has_value() &&
           absl::SimpleAtoi(absl::string_view(length.data(), length.size()), &bits) && InRange(*address, *range, bits);
  }
  const std::optional<std::string_view> name = WithoutPort(entry, port);
  if (!name.has_value() || name->empty()) return false;
  if (const std::optional<Address> wanted = ParseAddress(*name); wanted.has_value())
    return address.has_value() && address->size == wanted->size && address->bytes == wanted->bytes;
  std::string_view suffix = *name;
  if (suffix.starts_with("*.")) suffix.remove_prefix(1);
  if (suffix.starts_with('.')) return std::string_view(host).ends_with(suffix);
  return host == suffix || std::string_view(host).ends_with("." + std::string(suffix));
}

// `url` as libcurl takes it. Only its scheme may be shown.
StatusOr<std::string> CheckedProxy(std::string_view name, const std::string& url, bool needs_scheme) {
  if (url.empty()) return url;
  const size_t colon = url.find("://");
  if (colon == std::string::npos && !needs_scheme) return "http://" + url;
  const std::string scheme = colon == std::string::npos ? "" : absl::AsciiStrToLower(url.substr(0, colon));
  const std::string_view rest = std::string_view(url).substr(colon == std::string::npos ? 0 : colon + 3);
  const bool has_host = !rest.substr(rest.rfind('@') + 1).empty();
  if ((scheme != "http" && scheme != "https" && scheme != "socks5" && scheme != "socks5h") || !has_host) {
    return Error(
        absl::StatusCode::kInvalidArgument,
        "{}: not a proxy's URL; it has the form http://[user:password@]host:port, also with https, socks5, socks5h",
        name);
  }
  return url;
}

}  // namespace

bool MatchesNoProxy(std::string_view no_proxy, std::string_view host, int port) {
  const std::string name = absl::AsciiStrToLower({host.data(), host.size()});
  const std::optional<Address> address = ParseAddress(host);
  for (absl::string_view part : absl::StrSplit(absl::string_view(no_proxy.data(), no_proxy.size()), ',')) {
    const std::string entry = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
    if (!entry.empty() && Matches(entry, name, address, port)) return true;
  }
  return false;
}

StatusOr<ProxyChooser> ProxyChooser::Make(const std::string& proxy_url, const Environment& environment) {
  ProxyChooser chooser;
  if (!proxy_url.empty()) {
    KILN_ASSIGN_OR_RETURN(chooser.always_, CheckedProxy("proxy_url", proxy_url, true));
    return chooser;
  }
  const auto read = [&](const char* upper, const char* lower) {
    const std::string value = environment(upper);
    return value.empty() ? environment(lower) : value;
  };
  KILN_ASSIGN_OR_RETURN(chooser.https_,
                        CheckedProxy("HTTPS_PROXY of the environment", read("HTTPS_PROXY", "https_proxy"), false));
  KILN_ASSIGN_OR_RETURN(chooser.http_,
                        CheckedProxy("HTTP_PROXY of the environment", read("HTTP_PROXY", "http_proxy"), false));
  chooser.no_proxy_ = read("NO_PROXY", "no_proxy");
  return chooser;
}

std::string ProxyChooser::For(bool tls, std::string_view host, int port) const {
  if (!always_.empty()) return always_;
  const std::string& proxy = tls ? https_ : http_;
  if (proxy.empty() || IsLoopback(host) || MatchesNoProxy(no_proxy_, host, port)) return "";
  return proxy;
}

}  // namespace kiln
