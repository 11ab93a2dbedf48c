// SPDX-License-Identifier: Apache-2.0
#include "viewer/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "base/gzip.h"
#include "viewer/base64.h"
#include "viewer/encode.h"
#include "viewer/page.h"

namespace kiln::viewer {
namespace {

using profile::Profile;

constexpr std::string_view kTitleMark = "{{TITLE}}";
constexpr std::string_view kDataMark = "{{DATA}}";

// Text for an element or a quoted attribute.
std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

// The text of the first of `keys` that the profile's properties have; empty if none.
std::string_view TextProperty(const Profile& profile, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    for (const auto index : profile.attribute_sets[profile.properties].attributes) {
      const profile::Attribute& attribute = profile.attributes[index];
      const auto* text = std::get_if<profile::StringIndex>(&attribute.value);
      if (text && profile.strings[attribute.key] == key) return profile.strings[*text];
    }
  }
  return {};
}

std::string Title(const Profile& profile) {
  const std::string_view command = TextProperty(profile, {"kiln.command", "process.command_line", "kiln.target"});
  const std::string_view host = TextProperty(profile, {"kiln.host", "host.name"});
  std::string title(command);
  if (!host.empty()) title += fmt::format("{}{}", title.empty() ? "" : " on ", host);
  return title.empty() ? "kiln" : title + " · kiln";
}

}  // namespace

std::string RenderHtml(const Profile& profile) {
  const std::string_view page = kPage;
  const size_t title_at = page.find(kTitleMark);
  const size_t data_at = page.find(kDataMark, title_at);
  const std::string data = Base64Encode(GzipCompress(EncodeJson(profile)));
  std::string html;
  html.reserve(page.size() + data.size() + 256);
  html += page.substr(0, title_at);
  html += EscapeHtml(Title(profile));
  html += page.substr(title_at + kTitleMark.size(), data_at - title_at - kTitleMark.size());
  html += data;
  html += page.substr(data_at + kDataMark.size());
  return html;
}

}  // namespace kiln::viewer
