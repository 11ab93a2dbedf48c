// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::viewer {

// Writes JSON text (RFC 8259) from left to right into one string, without a tree in between: a page holds hundreds of
// thousands of numbers. The caller opens and closes in order; commas are set here. Thread-compatible.
class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key);
  void String(std::string_view text);  // escaped as base/json_string.h says
  void Int(int64_t value);
  void Double(double value);  // null if not finite: JSON knows no NaN
  void Bool(bool value);

  std::string Finish() && { return std::move(out_); }

 private:
  void Open(char bracket);
  void Close(char bracket);
  void Separate();

  std::string out_;
  bool comma_ = false;  // the next value needs one before it
};

}  // namespace kiln::viewer
