// SPDX-License-Identifier: Apache-2.0
#include "base/net/oauth2.h"

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/net/testing/test_folder.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A token endpoint without a network.
class TokenEndpoint : public HttpTransport {
 public:
  using Answer = std::function<StatusOr<HttpResponse>(const HttpRequest&, const std::string& body)>;
  explicit TokenEndpoint(Answer answer, int* requests) : answer_(std::move(answer)), requests_(requests) {}
  StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    ++*requests_;
    return answer_(request, std::string(request.body));
  }
  void Cancel() override {}

 private:
  const Answer answer_;
  int* requests_;
};

std::string HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (key == name) return value;
  return "";
}

class OAuth2 : public ::testing::Test {
 protected:
  void Start(TokenEndpoint::Answer answer) {
    auto source = MakeOAuth2Source(settings_, std::make_unique<TokenEndpoint>(std::move(answer), &requests_),
                                   [this] { return now_ns_; });
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }
  // Tokens t1, t2 …, each for `expires_in`.
  void StartWithLife(const std::string& expires_in) {
    Start([this, expires_in](const HttpRequest&, const std::string&) {
      return HttpResponse{.status = 200,
                          .body = fmt::format(R"({{"access_token":"t{}","token_type":"bearer","expires_in":{}}})",
                                              requests_, expires_in)};
    });
  }
  std::string Get() {
    const auto got = source_->Get(absl::Seconds(60));
    return got.ok() ? got->value : std::string(got.status().ToString());
  }

  OAuth2Settings settings_{
      .client_id = "me", .client_secret = "s3cret/+", .token_url = "https://u:p@auth.example/token"};
  uint64_t now_ns_ = 1'000'000'000;
  int requests_ = 0;
  std::unique_ptr<AuthSource> source_;
};

TEST_F(OAuth2, AsksAsTheStandardSays) {
  settings_.scopes = {"a", "b c"};
  settings_.endpoint_params = {{"audience", "x&y"}};
  Start([](const HttpRequest& request, const std::string& body) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(HeaderOf(request, "content-type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(HeaderOf(request, "authorization"), "Basic " + absl::Base64Escape("me:s3cret%2F%2B"));
    EXPECT_EQ(body, "grant_type=client_credentials&scope=a+b+c&audience=x%26y");
    return HttpResponse{.status = 200, .body = R"({"access_token":"t","token_type":"MAC"})"};
  });
  EXPECT_EQ(Get(), "MAC t");
}

TEST_F(OAuth2, SendsTheClientInTheFormWhereTheHeaderIsRefused) {
  std::vector<bool> in_form;
  Start([&](const HttpRequest& request, const std::string& body) {
    in_form.push_back(body.find("client_id=me&client_secret=s3cret%2F%2B") != std::string::npos);
    if (!in_form.back()) return HttpResponse{.status = 401, .body = R"({"error":"invalid_client"})"};
    EXPECT_EQ(HeaderOf(request, "authorization"), "");
    return HttpResponse{.status = 200, .body = R"({"access_token":"t","expires_in":"10"})"};
  });
  EXPECT_EQ(Get(), "Bearer t");
  now_ns_ += 3600'000'000'000;
  EXPECT_EQ(Get(), "Bearer t");
  EXPECT_THAT(in_form, ::testing::ElementsAre(false, true, true));  // what worked is remembered
}

TEST_F(OAuth2, KeepsTheTokenUntilTheBufferBeforeItsEnd) {
  settings_.expiry_buffer = absl::Minutes(5);
  StartWithLife("3600");
  EXPECT_EQ(Get(), "Bearer t1");
  now_ns_ += uint64_t{3299} * 1'000'000'000;
  EXPECT_EQ(Get(), "Bearer t1");
  now_ns_ += uint64_t{2} * 1'000'000'000;
  EXPECT_EQ(Get(), "Bearer t2");
  EXPECT_EQ(requests_, 2);
}

TEST_F(OAuth2, UsesATokenThatLivesShorterThanTheBufferForHalfOfItsLife) {
  StartWithLife("60");
  EXPECT_EQ(Get(), "Bearer t1");
  now_ns_ += uint64_t{29} * 1'000'000'000;
  EXPECT_EQ(Get(), "Bearer t1");
  now_ns_ += uint64_t{2} * 1'000'000'000;
  EXPECT_EQ(Get(), "Bearer t2");
}

TEST_F(OAuth2, KeepsATokenWithoutEnd) {
  StartWithLife("0");
  EXPECT_EQ(Get(), "Bearer t1");
  now_ns_ += uint64_t{1} << 50;
  EXPECT_EQ(Get(), "Bearer t1");
}

TEST_F(OAuth2, FetchesAnewAfterARefusalButNotTwice) {
  StartWithLife("3600");
  const auto fresh = source_->Get(absl::Seconds(60));
  EXPECT_FALSE(source_->Refused(*fresh));  // it was new: another one would not help
  const auto second = source_->Get(absl::Seconds(60));
  EXPECT_EQ(second->value, "Bearer t2");
  const auto cached = source_->Get(absl::Seconds(60));
  EXPECT_EQ(cached->value, "Bearer t2");
  EXPECT_TRUE(source_->Refused(*cached));
  EXPECT_TRUE(source_->Refused(*cached));  // another request with the same token: fetched once all the same
  EXPECT_EQ(Get(), "Bearer t3");
  EXPECT_TRUE(source_->Refused(*cached));
  EXPECT_EQ(Get(), "Bearer t3");
}

TEST_F(OAuth2, SharesOneFetchBetweenRequests) {
  std::mutex mutex;
  std::condition_variable changed;
  bool let_go = false;
  Start([&](const HttpRequest&, const std::string&) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return let_go; });
    return HttpResponse{.status = 200, .body = R"({"access_token":"t","expires_in":3600})"};
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back([&] { EXPECT_EQ(Get(), "Bearer t"); });
  {
    const std::lock_guard lock(mutex);
    let_go = true;
    changed.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(requests_, 1);
}

TEST_F(OAuth2, TellsWhyThereIsNoTokenWithoutSecrets) {
  struct Case {
    HttpResponse response;
    absl::StatusCode code;
    std::string says;
  };
  const Case cases[] = {
      {{.status = 401, .body = R"({"error":"invalid_client","error_description":"s3cret/+ is wrong"})"},
       absl::StatusCode::kUnauthenticated,
       "auth.example gave no token, but HTTP 401: invalid_client: [secret] is wrong"},
      {{.status = 400, .body = "<html>s3cret%2F%2B"}, absl::StatusCode::kUnauthenticated, "HTTP 400"},
      {{.status = 503}, absl::StatusCode::kUnavailable, "HTTP 503"},
      {{.status = 200, .body = "{}"}, absl::StatusCode::kUnauthenticated, "access_token"},
      {{.status = 200, .body = "not json"}, absl::StatusCode::kUnauthenticated, "JSON"},
      {{.status = 200, .body = R"({"access_token":"a\r\nb"})"}, absl::StatusCode::kUnauthenticated, "unusable"},
      {{.status = 200, .body = R"({"access_token":7})"}, absl::StatusCode::kUnauthenticated, "access_token"},
  };
  for (const Case& c : cases) {
    Start([&](const HttpRequest&, const std::string&) { return c.response; });
    const Status status = source_->Get(absl::Seconds(60)).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(Message(status), HasSubstr(c.says));
    EXPECT_THAT(Message(status), Not(HasSubstr("s3cret")));
    EXPECT_THAT(Message(status), Not(HasSubstr("u:p")));
  }
  Start(
      [](const HttpRequest&, const std::string&) { return absl::UnavailableError("POST to auth.example:443 failed"); });
  EXPECT_EQ(source_->Get(absl::Seconds(60)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(OAuth2, ReadsChangedFiles) {
  const testing::TestFolder folder;
  settings_.client_id = settings_.client_secret = "";
  settings_.client_id_file = folder.Write("id", "me\n");
  settings_.client_secret_file = folder.Write("secret", "one\n");
  Start([&](const HttpRequest& request, const std::string&) {
    return HttpResponse{.status = 200,
                        .body = fmt::format(R"({{"access_token":"{}","expires_in":10}})",
                                            HeaderOf(request, "authorization").substr(6))};
  });
  EXPECT_EQ(Get(), "Bearer " + absl::Base64Escape("me:one"));
  folder.Write("secret", "two\n");
  now_ns_ += 60'000'000'000;
  EXPECT_EQ(Get(), "Bearer " + absl::Base64Escape("me:two"));
  std::filesystem::remove(folder.Path("secret"));
  now_ns_ += 60'000'000'000;
  EXPECT_EQ(Get(), "Bearer " + absl::Base64Escape("me:two"));
}

TEST_F(OAuth2, FindsMistakesInTheSettingsAtOnce) {
  const auto make = [&](const OAuth2Settings& settings) {
    return MakeOAuth2Source(settings, std::make_unique<TokenEndpoint>(nullptr, &requests_), [] { return uint64_t{0}; })
        .status();
  };
  OAuth2Settings settings = settings_;
  settings.client_id_file = "x";
  EXPECT_THAT(Message(make(settings)), HasSubstr("client_id"));
  settings = settings_;
  settings.client_secret = "";
  EXPECT_THAT(Message(make(settings)), HasSubstr("client_secret"));
  settings = settings_;
  settings.token_url = "auth.example";
  EXPECT_THAT(Message(make(settings)), HasSubstr("token_url"));
  settings = settings_;
  settings.client_secret = "";
  settings.client_secret_file = "/nowhere/secret";
  EXPECT_THAT(Message(make(settings)), HasSubstr("/nowhere/secret"));
}

}  // namespace
}  // namespace kiln
