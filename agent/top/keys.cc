// SPDX-License-Identifier: Apache-2.0
#include "agent/top/keys.h"

#include <optional>

#include "profile/utf8.h"

namespace kiln::agent {
namespace {

constexpr char kEsc = '\x1b';
constexpr size_t kMaxSequence = 32;  // longer ones are no key

struct Sequence {
  std::string_view bytes;  // behind ESC
  KeyCode code;
};

constexpr Sequence kSequences[] = {
    {"[A", KeyCode::kUp},      {"OA", KeyCode::kUp},        {"[B", KeyCode::kDown},  {"OB", KeyCode::kDown},
    {"[5~", KeyCode::kPageUp}, {"[6~", KeyCode::kPageDown}, {"[H", KeyCode::kHome},  {"OH", KeyCode::kHome},
    {"[1~", KeyCode::kHome},   {"[7~", KeyCode::kHome},     {"[F", KeyCode::kEnd},   {"OF", KeyCode::kEnd},
    {"[4~", KeyCode::kEnd},    {"[8~", KeyCode::kEnd},      {"OM", KeyCode::kEnter},
};

// The length of the sequence at the start of `text`, which begins with ESC; 0 if more has to come. A single ESC before
// anything that begins no sequence has length 1.
size_t SequenceLength(std::string_view text) {
  if (text.size() < 2) return 0;
  if (text[1] == 'O') return text.size() < 3 ? 0 : 3;
  if (text[1] != '[') return 1;
  // The Linux console sends F1 to F5 as ESC [ [ A to E.
  size_t i = 2;
  if (i < text.size() && text[i] == '[') return text.size() < 4 ? 0 : 4;
  for (; i < text.size() && i < kMaxSequence; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x40 && byte <= 0x7e) return i + 1;  // the final byte
    if (byte < 0x20 || byte > 0x3f) return i;        // not what a sequence consists of: it is broken
  }
  return i < kMaxSequence ? 0 : kMaxSequence;
}

std::optional<Key> KeyOfSequence(std::string_view sequence) {
  if (sequence.size() == 1) return Key{KeyCode::kEscape};
  for (const Sequence& known : kSequences) {
    if (known.bytes == sequence.substr(1)) return Key{known.code};
  }
  return std::nullopt;
}

// The bytes of the character that begins with `lead`; 0 if none does.
size_t CharacterLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

std::optional<Key> KeyOfCharacter(std::string_view character) {
  if (character == "\r" || character == "\n") return Key{KeyCode::kEnter};
  if (character == "\x7f" || character == "\b") return Key{KeyCode::kBackspace};
  if (character.size() == 1 && static_cast<unsigned char>(character[0]) < 0x20) return std::nullopt;
  if (!profile::IsValidUtf8(character)) return std::nullopt;
  return Key{KeyCode::kText, std::string(character)};
}

}  // namespace

std::vector<Key> KeyParser::Feed(std::string_view bytes) {
  pending_ += bytes;
  std::vector<Key> keys;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const bool is_sequence = rest[0] == kEsc;
    const size_t length = is_sequence ? SequenceLength(rest) : CharacterLength(static_cast<unsigned char>(rest[0]));
    if (!is_sequence && length == 0) {
      rest.remove_prefix(1);
      continue;
    }
    if (length == 0 || length > rest.size()) break;
    const std::string_view part = rest.substr(0, length);
    if (auto key = is_sequence ? KeyOfSequence(part) : KeyOfCharacter(part)) keys.push_back(*std::move(key));
    // Of a broken character only the first byte is known to be bad.
    const bool is_broken = !is_sequence && length > 1 && !profile::IsValidUtf8(part);
    rest.remove_prefix(is_broken ? 1 : length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return keys;
}

std::vector<Key> KeyParser::Flush() {
  const bool was_escape = !pending_.empty() && pending_[0] == kEsc;
  const std::string behind = was_escape ? pending_.substr(1) : "";
  pending_.clear();
  if (!was_escape) return {};
  std::vector<Key> keys{{KeyCode::kEscape}};
  // "ESC [" typed by hand, slowly: the second is a key of its own.
  for (Key& key : Feed(behind)) keys.push_back(std::move(key));
  pending_.clear();
  return keys;
}

}  // namespace kiln::agent
