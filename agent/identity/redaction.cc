// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/redaction.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "agent/identity/pattern.h"
#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxPatterns = 64;
constexpr size_t kMaxTextBytes = 64 << 10;  // what the replacements may make of a text

constexpr char kSecretName[] =
    "(?i)(?:pass(?:wd|word|phrase|code)|pwd|secret|token(?:$|[-_.])|api[-_.]?key|access[-_.]?key|private[-_.]?key|"
    "credential|"
    "bearer|auth(?:orization|[-_.]?key)?$)";
// The user part may be empty, the secret may hold anything but "/" and spaces up to the last "@".
constexpr char kUrlSecret[] = "://[^/?#\\s:@]*:([^/?#\\s]*)@";
constexpr char kHeaderSecret[] =
    "(?i)\\b(?:authorization|proxy-authorization|x-api-key|x-auth-token|cookie)\\s*[:=]\\s*"
    "((?:(?:basic|bearer|digest|negotiate|apikey|token)\\s+)?\\S+)";

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

// What the groups of `pattern` match (or all of it, without groups) is replaced throughout `text`.
void Replace(const RE2& pattern, std::string& text) {
  const int groups = pattern.NumberOfCapturingGroups();
  std::vector<re2::StringPiece> found;
  std::string out;
  size_t position = 0;
  const auto offset = [&](const char* place) { return static_cast<size_t>(place - text.data()); };
  size_t search = 0;
  while (search <= text.size()) {
    found.assign(static_cast<size_t>(groups) + 1, {});
    if (!pattern.Match(Piece(text), search, text.size(), RE2::UNANCHORED, found.data(), groups + 1)) break;
    const size_t end = offset(found[0].data()) + found[0].size();
    // Groups of a repetition may stand in any order.
    if (groups > 0) found.erase(found.begin());
    std::erase_if(found, [](const auto& piece) { return piece.data() == nullptr || piece.empty(); });
    std::ranges::sort(found, {}, [](const auto& piece) { return std::pair(piece.data(), -piece.size()); });
    for (const re2::StringPiece& piece : found) {
      const size_t start = offset(piece.data());
      if (start >= position) {  // else it begins within one that is replaced already
        out.append(text, position, start - position);
        out += kRedacted;
      }
      position = std::max(position, start + piece.size());
    }
    search = end > search ? end : search + 1;  // past an empty match
    if (out.size() > kMaxTextBytes) break;
  }
  if (out.size() <= kMaxTextBytes) out.append(text, position);
  text = std::move(out);
}

}  // namespace

struct Redactor::Rules {
  std::unique_ptr<RE2> secret_name = *CompilePattern(kSecretName);
  std::unique_ptr<RE2> url = *CompilePattern(kUrlSecret);
  std::unique_ptr<RE2> header = *CompilePattern(kHeaderSecret);
  std::vector<std::unique_ptr<RE2>> patterns;

  bool IsSecretName(std::string_view name) const { return RE2::PartialMatch(Piece(name), *secret_name); }
};

Redactor::Redactor(std::unique_ptr<const Rules> rules) : rules_(std::move(rules)) {}
Redactor::Redactor(Redactor&&) noexcept = default;
Redactor& Redactor::operator=(Redactor&&) noexcept = default;
Redactor::~Redactor() = default;

StatusOr<Redactor> Redactor::Compile(const std::vector<std::string>& patterns) {
  if (patterns.size() > kMaxPatterns) {
    return Error(absl::StatusCode::kInvalidArgument, "{} redaction patterns are too many: {} are allowed",
                 patterns.size(), kMaxPatterns);
  }
  auto rules = std::make_unique<Rules>();
  std::string errors;
  for (const std::string& pattern : patterns) {
    auto compiled = CompilePattern(pattern);
    if (compiled.ok()) {
      rules->patterns.push_back(*std::move(compiled));
    } else {
      errors += fmt::format("{}redaction pattern {}", errors.empty() ? "" : "; ", Message(compiled.status()));
    }
  }
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  return Redactor(std::move(rules));
}

void Redactor::ApplyPatterns(std::string& text) const {
  Replace(*rules_->url, text);
  Replace(*rules_->header, text);
  for (const auto& pattern : rules_->patterns) Replace(*pattern, text);
}

std::string Redactor::CommandLine(const std::vector<std::string_view>& arguments) const {
  std::string line;
  bool value_is_secret = false;  // of the argument that follows
  for (const std::string_view argument : arguments) {
    if (!line.empty()) line += ' ';
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const bool secret_name = (argument.starts_with('-') || equals != std::string_view::npos) &&
                             name.find_first_of(" :/") == std::string_view::npos && rules_->IsSecretName(name);
    if (secret_name && equals != std::string_view::npos) {
      line += profile::ToValidUtf8(argument.substr(0, equals + 1));
      line += kRedacted;
      value_is_secret = false;
      continue;
    }
    // A secret may begin with "-" too; an option never follows an option that wants a value.
    line += value_is_secret && !argument.starts_with("--") ? std::string(kRedacted) : profile::ToValidUtf8(argument);
    value_is_secret = secret_name;
  }
  ApplyPatterns(line);
  return line;
}

std::string Redactor::Variable(std::string_view name, std::string_view text) const {
  if (rules_->IsSecretName(name)) return std::string(kRedacted);
  std::string value = profile::ToValidUtf8(text);
  ApplyPatterns(value);
  return value;
}

}  // namespace kiln::agent::identity
