// SPDX-License-Identifier: Apache-2.0
#include "agent/top/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::agent {

void PrintTo(const Key& key, std::ostream* out) { *out << static_cast<int>(key.code) << " '" << key.text << "'"; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Key Text(std::string text) { return {KeyCode::kText, std::move(text)}; }

TEST(KeyParser, TakesCharactersAndSequences) {
  KeyParser parser;
  EXPECT_THAT(parser.Feed("q ü名"), ElementsAre(Text("q"), Text(" "), Text("ü"), Text("名")));
  EXPECT_THAT(parser.Feed("\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~\r\x7f\b"),
              ElementsAre(Key{KeyCode::kUp}, Key{KeyCode::kDown}, Key{KeyCode::kPageUp}, Key{KeyCode::kPageDown},
                          Key{KeyCode::kHome}, Key{KeyCode::kEnd}, Key{KeyCode::kEnter}, Key{KeyCode::kBackspace},
                          Key{KeyCode::kBackspace}));
  EXPECT_FALSE(parser.is_waiting());
}

TEST(KeyParser, PutsTogetherWhatComesInPieces) {
  KeyParser parser;
  for (const char* piece : {"\x1b", "["}) {
    EXPECT_THAT(parser.Feed(piece), IsEmpty());
    EXPECT_TRUE(parser.is_waiting());
  }
  EXPECT_THAT(parser.Feed("B"), ElementsAre(Key{KeyCode::kDown}));
  EXPECT_THAT(parser.Feed("\xc3"), IsEmpty());
  EXPECT_THAT(parser.Feed("\xbc"), ElementsAre(Text("ü")));
}

TEST(KeyParser, TakesAnEscapeAfterSilenceForTheKey) {
  KeyParser parser;
  EXPECT_THAT(parser.Feed("\x1b"), IsEmpty());
  EXPECT_THAT(parser.Flush(), ElementsAre(Key{KeyCode::kEscape}));
  EXPECT_FALSE(parser.is_waiting());
  EXPECT_THAT(parser.Flush(), IsEmpty());
  EXPECT_THAT(parser.Feed("\x1b["), IsEmpty());
  EXPECT_THAT(parser.Flush(), ElementsAre(Key{KeyCode::kEscape}, Text("[")));
}

TEST(KeyParser, TakesAnEscapeBeforeAnotherKeyForTwoKeys) {
  KeyParser parser;
  EXPECT_THAT(parser.Feed("\x1bq"), ElementsAre(Key{KeyCode::kEscape}, Text("q")));
}

TEST(KeyParser, DropsWhatIsNoKeyOfOurs) {
  KeyParser parser;
  EXPECT_THAT(parser.Feed("\x1b[1;5C\x1b[15~\x1b[[A\x1b[<0;1;1Mx"), ElementsAre(Text("x")));
  EXPECT_THAT(parser.Feed(std::string_view("\0\x01\t", 3)), IsEmpty());
  EXPECT_THAT(parser.Feed("\xff\x80\xc3q\xed\xa0\x80z"), ElementsAre(Text("q"), Text("z")));
  EXPECT_FALSE(parser.is_waiting());
}

TEST(KeyParser, DoesNotWaitForTheEndOfAnEndlessSequence) {
  KeyParser parser;
  (void)parser.Feed("\x1b[" + std::string(1000, ';'));
  EXPECT_FALSE(parser.is_waiting());
}

}  // namespace
}  // namespace kiln::agent
