// SPDX-License-Identifier: Apache-2.0
#include "base/net/oauth2.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_replace.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/excerpt.h"
#include "base/net/watched_file.h"

namespace kiln {
namespace {

constexpr size_t kMaxSecretBytes = 64 << 10;
constexpr size_t kMaxErrorBytes = 200;

Status Invalid(std::string_view text) { return absl::InvalidArgumentError({text.data(), text.size()}); }

// As application/x-www-form-urlencoded.
std::string FormEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

void AddField(std::string& form, std::string_view key, std::string_view value) {
  if (!form.empty()) form += '&';
  form += FormEncode(key) + "=" + FormEncode(value);
}

// What a token endpoint says about an error (RFC 6749 section 5.2), without the secret, should it repeat it.
std::string ErrorText(const HttpResponse& response, const std::string& secret) {
  std::string text;
  const nlohmann::json json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object()) {
    for (const char* key : {"error", "error_description"}) {
      if (!json.contains(key) || !json[key].is_string()) continue;
      text += (text.empty() ? "" : ": ") + json[key].get<std::string>();
    }
  }
  if (text.empty()) return "";
  return ": " +
         Excerpt(absl::StrReplaceAll(text, {{secret, "[secret]"}, {FormEncode(secret), "[secret]"}}), kMaxErrorBytes);
}

class OAuth2Source : public AuthSource {
 public:
  OAuth2Source(const OAuth2Settings& settings, std::unique_ptr<HttpTransport> transport, MonotonicClock clock)
      : settings_(settings), transport_(std::move(transport)), clock_(std::move(clock)) {
    if (!settings.client_id_file.empty()) id_file_.emplace(settings.client_id_file, kMaxSecretBytes);
    if (!settings.client_secret_file.empty()) secret_file_.emplace(settings.client_secret_file, kMaxSecretBytes);
  }

  // Reads the files, to find mistakes at once.
  Status CheckClient() {
    const std::lock_guard lock(mutex_);
    return ReadClient().status();
  }

  StatusOr<Authorization> Get(absl::Duration timeout) override {
    const auto deadline = std::chrono::steady_clock::now() +
                          absl::ToChronoNanoseconds(std::clamp(timeout, absl::ZeroDuration(), absl::Hours(24)));
    std::unique_lock lock(mutex_);
    while (true) {
      if (cancelled_) return absl::CancelledError("cancelled while waiting for a token");
      if (!header_.empty() && clock_() < renew_at_ns_) return Authorization{.value = header_};
      if (!fetching_) break;
      if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
        return Error(absl::StatusCode::kDeadlineExceeded, "no token from {} within {}", Host(),
                     absl::FormatDuration(timeout));
      }
    }
    const StatusOr<Client> client = ReadClient();
    if (!client.ok()) return absl::UnauthenticatedError(client.status().message());
    fetching_ = true;
    lock.unlock();
    StatusOr<OAuth2Token> token = Fetch(*client, std::min(timeout, settings_.timeout));
    lock.lock();
    fetching_ = false;
    changed_.notify_all();
    if (!token.ok()) return token.status();
    header_ = token->header;
    const absl::Duration life = token->expires_in > settings_.expiry_buffer
                                    ? token->expires_in - settings_.expiry_buffer
                                    : token->expires_in / 2;
    const int64_t life_ns = absl::ToInt64Nanoseconds(std::min(life, absl::Hours(24 * 365)));
    renew_at_ns_ = clock_() + static_cast<uint64_t>(life_ns);
    return Authorization{.value = header_, .fresh = true};
  }

  bool Refused(const Authorization& refused) override {
    const std::lock_guard lock(mutex_);
    if (header_ == refused.value) header_.clear();  // else another request has got a new one meanwhile
    return !refused.fresh;
  }

  void Cancel() override {
    transport_->Cancel();
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  struct Client {
    std::string id, secret;
  };

  StatusOr<std::string> ReadSecret(std::optional<WatchedFile>& file, const std::string& given, std::string_view name) {
    if (!file.has_value()) return CleanSecret(given, name);
    const StatusOr<bool> read = file->Refresh();
    if (!read.ok() && file->content().empty()) return Annotate(read.status(), name);
    return CleanSecret(file->content(), fmt::format("{} {}", name, file->path()));
  }

  // With mutex_ held.
  StatusOr<Client> ReadClient() {
    Client client;
    KILN_ASSIGN_OR_RETURN(client.id, ReadSecret(id_file_, settings_.client_id, "oauth2: client_id"));
    KILN_ASSIGN_OR_RETURN(client.secret, ReadSecret(secret_file_, settings_.client_secret, "oauth2: client_secret"));
    return client;
  }

  // By one thread at a time.
  StatusOr<OAuth2Token> Fetch(const Client& client, absl::Duration timeout) {
    StatusOr<HttpResponse> response = Ask(client, in_form_, timeout);
    if (response.ok() && response->status / 100 != 2 && !style_known_) {
      // Some servers know only the other way; which one is not told in advance.
      StatusOr<HttpResponse> second = Ask(client, !in_form_, timeout);
      if (second.ok() && second->status / 100 == 2) {
        in_form_ = !in_form_;
        response = std::move(second);
      }
    }
    if (!response.ok()) return Annotate(response.status(), "OAuth2 token");
    if (response->status / 100 != 2) {
      const bool later = response->status == 429 || response->status >= 500;
      return Error(later ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnauthenticated,
                   "OAuth2: {} gave no token, but HTTP {}{}", Host(), response->status,
                   ErrorText(*response, client.secret));
    }
    style_known_ = true;
    return ParseOAuth2Token(response->body);
  }

  StatusOr<HttpResponse> Ask(const Client& client, bool in_form, absl::Duration timeout) {
    std::string form;
    AddField(form, "grant_type", "client_credentials");
    std::string scopes;
    for (const std::string& scope : settings_.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
    if (!scopes.empty()) AddField(form, "scope", scopes);
    for (const auto& [key, value] : settings_.endpoint_params) AddField(form, key, value);
    HttpHeaders headers = {{"content-type", "application/x-www-form-urlencoded"}, {"accept", "application/json"}};
    if (in_form) {
      AddField(form, "client_id", client.id);
      AddField(form, "client_secret", client.secret);
    } else {
      headers.emplace_back("authorization",
                           "Basic " + absl::Base64Escape(FormEncode(client.id) + ":" + FormEncode(client.secret)));
    }
    return transport_->Send(
        {.url = settings_.token_url, .headers = std::move(headers), .body = form, .timeout = timeout});
  }

  // Of the token endpoint, for messages: no path, no credentials.
  std::string Host() const {
    std::string_view url = settings_.token_url;
    if (const size_t scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
    url = url.substr(0, url.find_first_of("/?#"));
    return std::string(url.substr(url.rfind('@') + 1));
  }

  const OAuth2Settings settings_;
  const std::unique_ptr<HttpTransport> transport_;
  const MonotonicClock clock_;
  bool in_form_ = false, style_known_ = false;  // by who fetches

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<WatchedFile> id_file_, secret_file_;
  bool fetching_ = false, cancelled_ = false;
  std::string header_;
  uint64_t renew_at_ns_ = 0;
};

}  // namespace

StatusOr<OAuth2Token> ParseOAuth2Token(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const auto not_a_token = [](std::string_view why) {
    return Error(absl::StatusCode::kUnauthenticated, "OAuth2: the token endpoint's answer {}", why);
  };
  if (!json.is_object()) return not_a_token("is not a JSON object");
  const auto token = json.find("access_token");
  if (token == json.end() || !token->is_string()) return not_a_token("has no access_token");
  if (!CleanSecret(token->get<std::string>(), "access_token").ok()) return not_a_token("has an unusable access_token");
  std::string type = "Bearer";
  if (const auto found = json.find("token_type"); found != json.end() && found->is_string()) {
    const std::string given = found->get<std::string>();
    if (!given.empty() && !absl::EqualsIgnoreCase(given, "bearer")) type = given;
    if (!CleanSecret(type, "token_type").ok()) return not_a_token("has an unusable token_type");
  }
  double seconds = 0;
  if (const auto found = json.find("expires_in"); found != json.end()) {
    if (found->is_number()) seconds = found->get<double>();
    if (found->is_string() && !absl::SimpleAtod(found->get<std::string>(), &seconds)) seconds = 0;
  }
  return OAuth2Token{.header = type + " " + token->get<std::string>(),
                     .expires_in = seconds > 0 ? absl::Seconds(seconds) : absl::InfiniteDuration()};
}

StatusOr<std::unique_ptr<AuthSource>> MakeOAuth2Source(const OAuth2Settings& settings,
                                                       std::unique_ptr<HttpTransport> transport, MonotonicClock clock) {
  if (settings.client_id.empty() == settings.client_id_file.empty())
    return Invalid("oauth2: give exactly one of client_id and client_id_file");
  if (settings.client_secret.empty() == settings.client_secret_file.empty())
    return Invalid("oauth2: give exactly one of client_secret and client_secret_file");
  if (!settings.token_url.starts_with("http://") && !settings.token_url.starts_with("https://"))
    return Invalid("oauth2: token_url must begin with http:// or https://");
  auto source = std::make_unique<OAuth2Source>(settings, std::move(transport), std::move(clock));
  KILN_RETURN_IF_ERROR(source->CheckClient());
  return source;
}

StatusOr<std::unique_ptr<AuthSource>> MakeOAuth2Source(const OAuth2Settings& settings,
                                                       const TransportFactory& make_transport) {
  // Its own client: other certificates, no proxy_url, and above all no token.
  HttpClientSettings client;
  client.tls = settings.tls;
  StatusOr<std::unique_ptr<HttpTransport>> transport = make_transport(client);
  if (!transport.ok()) return Annotate(transport.status(), "oauth2");
  return MakeOAuth2Source(settings, *std::move(transport), MonotonicNs);
}

}  // namespace kiln
