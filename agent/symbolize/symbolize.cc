// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/symbolize.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "agent/cli/exit_code.h"
#include "agent/cli/terminal.h"
#include "agent/symbolize/address_input.h"
#include "agent/symbolize/answer_writer.h"
#include "agent/symbolize/file_namer.h"
#include "agent/symbolize/process_namer.h"

namespace kiln::agent {
namespace {

constexpr const char* kWho = "kiln symbolize";

// What is told at the end.
struct Outcome {
  uint64_t answers = 0;
  std::map<std::string_view, uint64_t> misses;  // by reason
  uint64_t bad_words = 0;
  uint64_t bad_line = 0;  // of the first bad word
  std::string bad_word;
};

bool IsRegularFile(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

Status AnswerOne(uint64_t address, AddressNamer& namer, AnswerWriter& writer, Outcome& outcome) {
  const Answer answer = namer.Name(address);
  ++outcome.answers;
  if (answer.lines.empty()) ++outcome.misses[answer.reason];
  return writer.Add(address, answer);
}

Status AnswerInput(AddressNamer& namer, AnswerWriter& writer, Outcome& outcome) {
  AddressInput input(STDIN_FILENO);
  // Whoever writes one address and waits for the answer gets it. A file waits for nothing.
  const bool may_wait = !IsRegularFile(STDIN_FILENO);
  const auto before_wait = [&] { return may_wait ? writer.Flush() : absl::OkStatus(); };
  for (;;) {
    KILN_ASSIGN_OR_RETURN(const std::optional<AddressInput::Word> word, input.Next(before_wait));
    if (!word) return absl::OkStatus();
    if (word->address) {
      KILN_RETURN_IF_ERROR(AnswerOne(*word->address, namer, writer, outcome));
      continue;
    }
    if (outcome.bad_words++ == 0) {
      outcome.bad_line = word->line;
      outcome.bad_word = word->text;
    }
    KILN_RETURN_IF_ERROR(writer.AddBadWord(word->text));
  }
}

Status AnswerAll(const SymbolizeOptions& options, AddressNamer& namer, Outcome& outcome) {
  AnswerWriter writer(STDOUT_FILENO, {.json = options.json,
                                      .inlines = options.inlines,
                                      .demangle = options.demangle,
                                      .is_terminal = ::isatty(STDOUT_FILENO) != 0});
  Status status;
  if (options.addresses.empty()) {
    status = AnswerInput(namer, writer, outcome);
  } else {
    for (const uint64_t address : options.addresses) {
      status = AnswerOne(address, namer, writer, outcome);
      if (!status.ok()) break;
    }
  }
  const Status flushed = writer.Flush();
  return status.ok() ? flushed : status;
}

void Tell(const Outcome& outcome, const AddressNamer& namer) {
  for (const std::string& note : namer.Notes()) fmt::print(stderr, "{}: {}\n", kWho, HarmlessText(note));
  if (outcome.misses.empty()) return;
  std::vector<std::pair<uint64_t, std::string_view>> by_count;
  uint64_t missed = 0;
  for (const auto& [reason, count] : outcome.misses) {
    by_count.emplace_back(count, reason);
    missed += count;
  }
  std::ranges::sort(by_count, std::ranges::greater());
  std::string text;
  for (const auto& [count, reason] : by_count) {
    text += text.empty() ? ": " : ", ";
    text += by_count.size() == 1 ? std::string(reason) : fmt::format("{} {}", count, reason);
  }
  fmt::print(stderr, "{}: {} of {} addresses have no name{}\n", kWho, missed, outcome.answers, text);
}

}  // namespace

int RunSymbolize(const SymbolizeOptions& options) {
  auto namer = options.pid ? OpenProcessNamer(options) : OpenFileNamer(options);
  if (!namer.ok()) return Fail(kWho, ExitCodeFor(namer.status()), Message(namer.status()));
  Outcome outcome;
  const Status status = AnswerAll(options, **namer, outcome);
  Tell(outcome, **namer);
  if (!status.ok()) return Fail(kWho, ExitCode::kIoError, Message(status));
  if (outcome.bad_words == 0) return static_cast<int>(ExitCode::kOk);
  return Fail(kWho, ExitCode::kDataError,
              fmt::format("{} of the words on standard input are no addresses, the first in line {}: '{}'; give "
                          "hexadecimal digits, with or without 0x",
                          outcome.bad_words, outcome.bad_line, outcome.bad_word));
}

}  // namespace kiln::agent
