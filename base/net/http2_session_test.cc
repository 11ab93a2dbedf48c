// SPDX-License-Identifier: Apache-2.0
#include "base/net/http2_session.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

using State = Http2Session::State;

// A frame of RFC 9113 section 4.1.
std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame + std::string(payload);
}
constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoAway = 7;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;
const std::string kStatus200 = "\x88";  // HPACK, static table

std::string Number(uint32_t value) {
  std::string text;
  for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(value >> shift);
  return text;
}

class Http2SessionTest : public ::testing::Test {
 protected:
  void Begin(std::string_view body = "") {
    session_.Begin({{":method", "POST"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}}, body);
  }
  // Lets all be sent; the number of bytes.
  size_t Drain() {
    size_t bytes = 0;
    for (std::string_view output = session_.Output(); !output.empty(); output = session_.Output()) {
      bytes += output.size();
      session_.Sent(output.size());
    }
    return bytes;
  }

  Http2Session session_;
};

TEST_F(Http2SessionTest, SendsNoMoreOfABodyThanTheServersWindow) {
  const std::string body(1 << 20, 'x');
  Begin(body);
  const size_t sent = Drain();
  EXPECT_GT(sent, 65535u);
  EXPECT_LT(sent, 70000u);
}

TEST_F(Http2SessionTest, TakesAnAnswerBeforeTheBodyIsSentAndGivesTheRestUp) {
  {
    const std::string body(1 << 20, 'x');
    Begin(body);
    Drain();
    EXPECT_TRUE(session_.Input(Frame(kSettings, 0, 0, "") + Frame(kHeaders, kEndStream | kEndHeaders, 1, kStatus200)));
    EXPECT_EQ(session_.state(), State::kAnswered);
    EXPECT_EQ(session_.TakeAnswer().status, 200);
  }
  // The body is gone; the session only takes its stream back.
  EXPECT_LT(Drain(), 100u);
  EXPECT_TRUE(session_.TakesRequests());
  Begin();
  Drain();
  EXPECT_TRUE(session_.Input(Frame(kHeaders, kEndStream | kEndHeaders, 3, kStatus200)));
  EXPECT_EQ(session_.state(), State::kAnswered);
}

TEST_F(Http2SessionTest, KnowsWhichRequestsTheServerHasNotSeen) {
  Begin();
  Drain();
  EXPECT_TRUE(session_.Unseen());
  ASSERT_TRUE(session_.Input(Frame(kSettings, 0, 0, "") + Frame(kReset, 0, 1, Number(7))));  // REFUSED_STREAM
  EXPECT_EQ(session_.state(), State::kReset);
  EXPECT_TRUE(session_.Unseen());
  Begin();
  Drain();
  ASSERT_TRUE(session_.Input(Frame(kReset, 0, 3, Number(2))));  // INTERNAL_ERROR
  EXPECT_EQ(session_.state(), State::kReset);
  EXPECT_FALSE(session_.Unseen());
  EXPECT_EQ(session_.reset_reason(), "INTERNAL_ERROR");
}

TEST_F(Http2SessionTest, TakesNoRequestAfterAFarewell) {
  Begin();
  Drain();
  // The last stream that counts is the first one, so that its answer still comes.
  ASSERT_TRUE(session_.Input(Frame(kSettings, 0, 0, "") + Frame(kGoAway, 0, 0, Number(1) + Number(0))));
  EXPECT_EQ(session_.state(), State::kOpen);
  session_.Input(Frame(kHeaders, kEndStream | kEndHeaders, 1, kStatus200));
  EXPECT_EQ(session_.state(), State::kAnswered);
  EXPECT_FALSE(session_.TakesRequests());
}

TEST_F(Http2SessionTest, GivesUpARequestThatTheFarewellExcludes) {
  Begin();
  Drain();
  session_.Input(Frame(kSettings, 0, 0, "") + Frame(kGoAway, 0, 0, Number(0) + Number(0)));
  EXPECT_EQ(session_.state(), State::kReset);
  EXPECT_TRUE(session_.Unseen());
}

TEST_F(Http2SessionTest, RefusesWhatIsNotHttp2) {
  Begin();
  Drain();
  session_.Input("HTTP/1.1 400 Bad Request\r\n\r\n");
  Drain();
  EXPECT_TRUE(session_.IsOver());
  EXPECT_FALSE(session_.IsHttp2());
}

TEST_F(Http2SessionTest, RefusesAnAnswerWithoutStatus) {
  Begin();
  Drain();
  session_.Input(Frame(kSettings, 0, 0, "") + Frame(kData, kEndStream, 1, "x"));
  EXPECT_NE(session_.state(), State::kAnswered);
}

}  // namespace
}  // namespace kiln
