// SPDX-License-Identifier: Apache-2.0
#include "agent/symbolize/answer_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "agent/cli/terminal.h"
#include "base/json_string.h"
#include "profile/utf8.h"

namespace kiln::agent {
namespace {

using symbolizer::LineView;

void AppendHex(uint64_t value, size_t least_digits, std::string& out) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16).ptr;
  const auto count = static_cast<size_t>(end - digits);
  out.append("0x");
  if (count < least_digits) out.append(least_digits - count, '0');
  out.append(digits, count);
}

void AppendNumber(int64_t value, std::string& out) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

// Printable ASCII alone. This runs over everything that is written: sixteen bytes at once, and all of them.
bool IsPlain(std::string_view text) {
  using Bytes __attribute__((vector_size(16))) = uint8_t;
  Bytes others{};  // not 0 where a byte is none
  const auto take = [&others](Bytes bytes) { others |= reinterpret_cast<Bytes>((bytes - 0x20) > 0x7e - 0x20); };
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= sizeof(Bytes); at += sizeof(Bytes), left -= sizeof(Bytes)) {
    Bytes bytes;
    std::memcpy(&bytes, at, sizeof(bytes));
    take(bytes);
  }
  Bytes rest = Bytes{} + ' ';
  std::memcpy(&rest, at, left);
  take(rest);
  uint64_t halves[2];
  std::memcpy(halves, &others, sizeof(halves));
  return (halves[0] | halves[1]) == 0;
}

std::string_view NameOf(const LineView& line, bool demangle) {
  return demangle || line.system_name.empty() ? line.name : line.system_name;
}

}  // namespace

Status AnswerWriter::Add(uint64_t address, const Answer& answer) {
  format_.json ? AddJson(address, answer) : AddText(address, answer);
  return FlushIfFull();
}

void AnswerWriter::AddName(std::string_view name) {
  if (IsPlain(name)) {
    text_ += name;
  } else {
    text_ += HarmlessText(name);
  }
}

void AnswerWriter::AddText(uint64_t address, const Answer& answer) {
  AppendHex(address, 16, text_);
  text_ += '\n';
  if (answer.lines.empty()) text_ += "??\n??:0\n";
  for (const LineView& line : answer.lines) {
    AddName(NameOf(line, format_.demangle));
    text_ += '\n';
    line.file.empty() ? AddName("??") : AddName(line.file);
    text_ += ':';
    line.line == 0 ? AddName("?") : AppendNumber(line.line, text_);
    text_ += '\n';
    if (!format_.inlines) break;
  }
}

// ,"key":"value", with the comma only where something stands before.
void AnswerWriter::AddJsonText(std::string_view key, std::string_view value) {
  if (!text_.ends_with('{')) text_ += ',';
  text_ += '"';
  text_ += key;
  text_ += "\":";
  if (IsPlain(value)) {
    AppendJsonString(value, text_);
  } else {
    AppendJsonString(format_.is_terminal ? HarmlessText(value) : profile::ToValidUtf8(value), text_);
  }
}

void AnswerWriter::AddJson(uint64_t address, const Answer& answer) {
  text_ += R"({"address":")";
  AppendHex(address, 1, text_);
  text_ += R"(","lines":[)";
  for (const LineView& line : answer.lines) {
    if (!text_.ends_with('[')) text_ += ',';
    text_ += '{';
    AddJsonText("function", NameOf(line, format_.demangle));
    if (!line.system_name.empty() && format_.demangle) AddJsonText("system_name", line.system_name);
    if (!line.file.empty()) AddJsonText("file", line.file);
    const auto number = [&](std::string_view key, int64_t value) {
      if (value == 0) return;
      text_ += ",\"";
      text_ += key;
      text_ += "\":";
      AppendNumber(value, text_);
    };
    number("line", line.line);
    number("column", line.column);
    number("start_line", line.start_line);
    text_ += '}';
    if (!format_.inlines) break;
  }
  text_ += ']';
  if (!answer.module.empty()) AddJsonText("module", answer.module);
  if (!answer.build_id.empty()) AddJsonText("build_id", answer.build_id);
  if (answer.elf_address) {
    text_ += R"(,"elf_address":")";
    AppendHex(*answer.elf_address, 1, text_);
    text_ += '"';
  }
  if (answer.lines.empty()) AddJsonText("miss", answer.reason);
  text_ += "}\n";
}

Status AnswerWriter::AddBadWord(std::string_view word) {
  if (format_.json) {
    text_ += '{';
    AddJsonText("input", word);
    text_ += R"(,"lines":[],"miss":"not an address"})";
    text_ += '\n';
  } else {
    AddName(word);
    text_ += "\n??\n??:0\n";
  }
  return FlushIfFull();
}

Status AnswerWriter::Flush() {
  for (std::string_view rest = text_; !rest.empty();) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, "the answers cannot be written");
    rest.remove_prefix(static_cast<size_t>(written));
  }
  text_.clear();
  return absl::OkStatus();
}

}  // namespace kiln::agent
