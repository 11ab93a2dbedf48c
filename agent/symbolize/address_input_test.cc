// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/address_input.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace kiln::agent {
namespace {

// A pipe that holds what was written to it.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    Close();
  }
  void Write(std::string_view text) {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  int reader() const { return ends_[0]; }

 private:
  int ends_[2] = {-1, -1};
};

Status NoWait() { return absl::OkStatus(); }

TEST(AddressInput, TakesWordsWithWhiteSpaceBetweenAndCountsLines) {
  Pipe pipe;
  pipe.Write(" 0x10\t20\r\n\n  fff\n0XaB");
  pipe.Close();
  AddressInput input(pipe.reader());
  const std::pair<uint64_t, uint64_t> expected[] = {{0x10, 1}, {0x20, 1}, {0xfff, 3}, {0xab, 4}};
  for (const auto& [address, line] : expected) {
    const auto word = input.Next(NoWait);
    ASSERT_TRUE(word.ok() && word->has_value());
    EXPECT_EQ((*word)->address, address);
    EXPECT_EQ((*word)->line, line);
  }
  EXPECT_FALSE(input.Next(NoWait)->has_value());
  EXPECT_FALSE(input.Next(NoWait)->has_value());
}

TEST(AddressInput, HandsOutWhatIsNoAddressCutToALimit) {
  Pipe pipe;
  pipe.Write("main " + std::string(1000, '1') + " 5");
  pipe.Close();
  AddressInput input(pipe.reader());
  auto word = input.Next(NoWait);
  EXPECT_EQ((*word)->text, "main");
  EXPECT_FALSE((*word)->address);
  word = input.Next(NoWait);
  EXPECT_EQ((*word)->text, std::string(AddressInput::kMaxWordBytes, '1'));
  EXPECT_FALSE((*word)->address);
  EXPECT_EQ((*input.Next(NoWait))->address, 5u);
}

TEST(AddressInput, TellsBeforeItWaitsSoThatAnswersCanLeave) {
  Pipe pipe;
  pipe.Write("1 2\n");
  AddressInput input(pipe.reader());
  int waits = 0;
  const auto count = [&] {
    if (++waits == 2) pipe.Close();  // the writer has seen both answers and ends
    return absl::OkStatus();
  };
  EXPECT_EQ((*input.Next(count))->address, 1u);
  EXPECT_EQ((*input.Next(count))->address, 2u);
  EXPECT_EQ(waits, 1);
  EXPECT_FALSE(input.Next(count)->has_value());
  EXPECT_EQ(waits, 2);
}

TEST(AddressInput, FailsWhereReadingFails) {
  AddressInput input(-1);
  EXPECT_FALSE(input.Next(NoWait).ok());
}

}  // namespace
}  // namespace kiln::agent
