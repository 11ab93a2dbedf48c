// SPDX-License-Identifier: Apache-2.0
#include "base/net/auth_source.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/net/oauth2.h"
#include "base/net/watched_file.h"

namespace kiln {
namespace {

constexpr size_t kMaxSecretBytes = 64 << 10;

Status Invalid(std::string_view text) { return absl::InvalidArgumentError({text.data(), text.size()}); }

// A prefix and a secret, which may lie in a file.
class SecretHeader : public AuthSource {
 public:
  // `name` is the setting, for messages; `encode` makes the header's value of the secret.
  SecretHeader(std::string secret, const std::string& filename, std::string name,
               std::function<std::string(const std::string&)> encode)
      : name_(std::move(name)), encode_(std::move(encode)), secret_(std::move(secret)) {
    if (!filename.empty()) file_.emplace(filename, kMaxSecretBytes);
  }

  StatusOr<Authorization> Get(absl::Duration) override {
    const std::lock_guard lock(mutex_);
    const Status renewed = file_.has_value() ? RenewFromFile()
                           : value_.empty()  ? Use(secret_, name_)
                                             : absl::OkStatus();
    // A token file that is gone or empty for a moment must not stop the telemetry: the last token is tried on.
    if (value_.empty()) return renewed;
    return Authorization{.value = value_, .fresh = true};
  }

 private:
  Status RenewFromFile() {
    const StatusOr<bool> changed = file_->Refresh();
    if (!changed.ok()) return Annotate(changed.status(), name_);
    return *changed || value_.empty() ? Use(FirstLine(), name_ + " " + file_->path()) : absl::OkStatus();
  }

  Status Use(std::string_view text, std::string_view name) {
    KILN_ASSIGN_OR_RETURN(const std::string secret, CleanSecret(text, name));
    value_ = encode_(secret);
    return absl::OkStatus();
  }

  // The Collector's files may hold several tokens, one per line, for servers; a client uses the first.
  std::string_view FirstLine() const {
    std::string_view text = file_->content();
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    return text.substr(0, text.find('\n'));
  }

  const std::string name_;
  const std::function<std::string(const std::string&)> encode_;
  std::mutex mutex_;
  std::string secret_;
  std::optional<WatchedFile> file_;
  std::string value_;
};

StatusOr<std::unique_ptr<AuthSource>> MakeBearer(const BearerTokenSettings& settings) {
  if (settings.token.empty() == settings.filename.empty())
    return Invalid("bearer token: give exactly one of token and filename");
  KILN_RETURN_IF_ERROR(settings.scheme.empty() ? absl::OkStatus()
                                               : CleanSecret(settings.scheme, "bearer token: scheme").status());
  const std::string prefix = settings.scheme.empty() ? "" : settings.scheme + " ";
  return std::make_unique<SecretHeader>(settings.token, settings.filename, "bearer token",
                                        [prefix](const std::string& token) { return prefix + token; });
}

StatusOr<std::unique_ptr<AuthSource>> MakeBasic(const BasicAuthSettings& settings) {
  if (settings.username.empty()) return Invalid("basic auth: username is empty");
  if (settings.username.find(':') != std::string::npos) return Invalid("basic auth: a username can't hold a colon");
  if (settings.password.empty() == settings.password_file.empty())
    return Invalid("basic auth: give exactly one of password and password_file");
  return std::make_unique<SecretHeader>(settings.password, settings.password_file, "basic auth: password",
                                        [name = settings.username](const std::string& password) {
                                          return "Basic " + absl::Base64Escape(name + ":" + password);
                                        });
}

}  // namespace

StatusOr<std::string> CleanSecret(std::string_view text, std::string_view name) {
  const absl::string_view secret = absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
  if (secret.empty()) return Error(absl::StatusCode::kInvalidArgument, "{}: is empty", name);
  if (std::ranges::any_of(secret, [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); }))
    return Error(absl::StatusCode::kInvalidArgument, "{}: holds control characters", name);
  return std::string(secret);
}

StatusOr<std::unique_ptr<AuthSource>> MakeAuthSource(const AuthSettings& settings,
                                                     const TransportFactory& make_transport) {
  if (int{settings.bearer.has_value()} + int{settings.basic.has_value()} + int{settings.oauth2.has_value()} > 1)
    return Invalid("auth: give only one of bearer token, basic auth and OAuth2");
  std::unique_ptr<AuthSource> source;
  if (settings.oauth2.has_value()) return MakeOAuth2Source(*settings.oauth2, make_transport);
  if (settings.bearer.has_value()) {
    KILN_ASSIGN_OR_RETURN(source, MakeBearer(*settings.bearer));
  }
  if (settings.basic.has_value()) {
    KILN_ASSIGN_OR_RETURN(source, MakeBasic(*settings.basic));
  }
  // What can't be had now is a mistake of the configuration.
  if (source != nullptr) KILN_RETURN_IF_ERROR(source->Get(absl::ZeroDuration()).status());
  return source;
}

}  // namespace kiln
