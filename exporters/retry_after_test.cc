// SPDX-License-Identifier: Apache-2.0
#include "exporters/retry_after.h"

#include <gtest/gtest.h>

namespace kiln::exporters {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const absl::Time kExample = absl::FromUnixSeconds(784111777);

TEST(ParseHttpDate, TakesAllThreeForms) {
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), kExample);
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), kExample);
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 1994"), kExample);
}

TEST(ParseHttpDate, RefusesOthers) {
  for (const char* text : {"", "infinite-future", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37", "x, y z",
                           "Sun, 99 Nov 1994 08:49:37 GMT"})
    EXPECT_EQ(ParseHttpDate(text), std::nullopt) << text;
}

TEST(ParseRetryAfter, TakesSecondsAndDates) {
  EXPECT_EQ(ParseRetryAfter("120", kExample), absl::Seconds(120));
  EXPECT_EQ(ParseRetryAfter(" 0 ", kExample), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kExample - absl::Seconds(30)), absl::Seconds(30));
}

TEST(ParseRetryAfter, BoundsWhatAServerCanAskFor) {
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999999", kExample), kMaxRetryAfter);
  EXPECT_EQ(ParseRetryAfter("9223372036854775807", kExample), kMaxRetryAfter);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kExample + absl::Hours(1)), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", kExample), kMaxRetryAfter);
}

TEST(ParseRetryAfter, RefusesOthers) {
  for (const char* text : {"", "-1", "1.5", "+5", "soon", "5s"})
    EXPECT_EQ(ParseRetryAfter(text, kExample), std::nullopt) << text;
}

TEST(RetryAfterOf, SeesDatesFromTheServersClock) {
  const HttpResponse response{
      .headers = {{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"date", "Sun, 06 Nov 1994 08:49:17 GMT"}}};
  EXPECT_EQ(RetryAfterOf(response, kExample + absl::Hours(99)), absl::Seconds(20));
  EXPECT_EQ(RetryAfterOf({}, kExample), std::nullopt);
}

}  // namespace
}  // namespace kiln::exporters
