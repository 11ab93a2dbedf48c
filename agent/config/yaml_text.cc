// SPDX-License-Identifier: Apache-2.0
#include "agent/config/yaml_text.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/config/scalars.h"
#include "base/json_string.h"

namespace kiln::agent::config {
namespace {

constexpr std::array<std::string_view, 14> kSecretWords = {"auth",   "token",     "secret", "passw",  "pwd",
                                                           "key",    "cookie",    "cred",   "sess",   "signature",
                                                           "bearer", "assertion", "apikey", "private"};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return out;
}

// Read back as a text by every reader of YAML, old and new.
bool IsSafePlain(std::string_view text) {
  static constexpr std::array<std::string_view, 11> kWords = {"true", "false", "yes", "no", "on", "off",
                                                              "null", "y",     "n",   "~",  ""};
  if (std::find(kWords.begin(), kWords.end(), Lower(text)) != kWords.end()) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text[0])) && text[0] != '/' && text[0] != '_') return false;
  if (text.ends_with(':')) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || std::string_view("_-./:@+=%").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

}  // namespace

std::string YamlText(std::string_view text) {
  if (IsSafePlain(text)) return std::string(text);
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    escaped += text[i];
    const bool begins = text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '$' || text[i + 1] == '{');
    if (begins) escaped += '$';
  }
  return JsonString(escaped);
}

bool SoundsSecret(std::string_view name) {
  const std::string lower = Lower(name);
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

std::string RedactUrl(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t path = std::min(url.find_first_of("/?#", host), url.size());
  std::string out(url.substr(0, host));
  const size_t at = url.substr(host, path - host).rfind('@');
  if (at != std::string_view::npos) out += fmt::format("{}@", kRedacted);
  const size_t rest = at == std::string_view::npos ? host : host + at + 1;
  const size_t query = std::min(url.find('?', path), url.size());
  out += url.substr(rest, query - rest);
  if (query == url.size()) return out;
  std::string_view parameters = url.substr(query + 1);
  char separator = '?';
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find('&'), parameters.size());
    const std::string_view parameter = parameters.substr(0, end);
    const std::string_view name = parameter.substr(0, parameter.find('='));
    out += separator;
    out += SoundsSecret(name) ? fmt::format("{}={}", name, kRedacted) : std::string(parameter);
    separator = '&';
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
  }
  return out;
}

}  // namespace kiln::agent::config
