// SPDX-License-Identifier: Apache-2.0
// One pass over the bytes of a message notes where each known field stands; the notes are brought into the order of the
// table and written. The notes of all levels share one stack, so that a message costs no allocation of its own.
#include "otlp/json.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/json_string.h"
#include "otlp/wire.h"
#include "profile/utf8.h"

namespace kiln::otlp {
namespace {

using schema::Field;
using schema::Kind;
using schema::Message;
using schema::Presence;

// One field as it stands on the wire.
struct Note {
  const Field* field;
  WireField value;
};

const Field* FindField(const Message& message, uint32_t number) {
  // Most messages number their fields without gaps.
  if (number - 1 < message.fields.size() && message.fields[number - 1].number == number) {
    return &message.fields[number - 1];
  }
  const auto found = std::ranges::find(message.fields, number, &Field::number);
  return found == message.fields.end() ? nullptr : &*found;
}

WireType TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kId:
    case Kind::kMessage: return WireType::kBytes;
    case Kind::kFixed32: return WireType::kFixed32;
    case Kind::kFixed64:
    case Kind::kSfixed64:
    case Kind::kDouble: return WireType::kFixed64;
    default: return WireType::kVarint;
  }
}

// True if a field of this wire type is one of `field`'s: of another type it counts as unknown.
bool Fits(const Field& field, WireType type) {
  const WireType own = TypeOf(field.kind);
  return type == own || (type == WireType::kBytes && field.presence == Presence::kRepeated);
}

void AppendName(std::string_view name, std::string& out) {
  out += '"';
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size()) {
      const char next = name[++i];
      out += next >= 'a' && next <= 'z' ? static_cast<char>(next - 'a' + 'A') : next;
    } else {
      out += name[i];
    }
  }
  out += "\":";
}

void AppendText(std::string_view text, std::string& out) {
  if (profile::IsValidUtf8(text)) {
    AppendJsonString(text, out);
  } else {
    AppendJsonString(profile::ToValidUtf8(text), out);
  }
}

void AppendDouble(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

// A value that is no message. Numbers stand in `value.number` whatever their wire type.
void AppendScalar(Kind kind, const WireField& value, std::string& out) {
  const auto number = [&](auto n) { fmt::format_to(std::back_inserter(out), "{}", n); };
  const auto quoted = [&](auto n) { fmt::format_to(std::back_inserter(out), "\"{}\"", n); };
  switch (kind) {
    case Kind::kString: AppendText(value.bytes, out); break;
    case Kind::kId:
      out += '"';
      for (const char c : value.bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<uint8_t>(c));
      out += '"';
      break;
    case Kind::kBytes: {
      out += '"';
      out += absl::Base64Escape({value.bytes.data(), value.bytes.size()});
      out += '"';
      break;
    }
    case Kind::kBool: out += value.number != 0 ? "true" : "false"; break;
    case Kind::kInt32:
    case Kind::kEnum: number(static_cast<int32_t>(value.number)); break;
    case Kind::kSint32: {
      const auto zigzag = static_cast<uint32_t>(value.number);
      number(static_cast<int32_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1)));
      break;
    }
    case Kind::kUint32:
    case Kind::kFixed32: number(static_cast<uint32_t>(value.number)); break;
    case Kind::kInt64:
    case Kind::kSfixed64: quoted(static_cast<int64_t>(value.number)); break;
    case Kind::kUint64:
    case Kind::kFixed64: quoted(value.number); break;
    case Kind::kDouble: AppendDouble(std::bit_cast<double>(value.number), out); break;
    case Kind::kMessage: break;  // not here
  }
}

// What is left out where the zero value says nothing.
bool IsZero(Kind kind, const WireField& value) {
  if (TypeOf(kind) == WireType::kBytes) return value.bytes.empty();
  if (kind == Kind::kInt32 || kind == Kind::kEnum || kind == Kind::kUint32 || kind == Kind::kSint32) {
    return static_cast<uint32_t>(value.number) == 0;
  }
  return value.number == 0;  // of doubles 0.0 but not -0.0
}

class JsonWriter {
 public:
  JsonWriter(size_t max_bytes, std::string& out) : max_size_(SaturatedAdd(out.size(), max_bytes)), out_(out) {}

  Status Write(const Message& message, std::string_view wire, int depth) {
    if (depth > kMaxJsonDepth) {
      return Error(absl::StatusCode::kInvalidArgument, "messages are nested deeper than {}", kMaxJsonDepth);
    }
    const size_t begin = notes_.size();
    KILN_RETURN_IF_ERROR(TakeNotes(message, wire));
    const auto by_field = [](const Note& a, const Note& b) { return a.field < b.field; };
    if (!std::is_sorted(notes_.begin() + static_cast<ptrdiff_t>(begin), notes_.end(), by_field)) {
      std::stable_sort(notes_.begin() + static_cast<ptrdiff_t>(begin), notes_.end(), by_field);
    }
    out_ += '{';
    bool first = true;
    for (size_t i = begin; i < notes_.size();) {
      size_t end = i + 1;
      while (end < notes_.size() && notes_[end].field == notes_[i].field) ++end;
      KILN_RETURN_IF_ERROR(WriteField(i, end, depth, first));
      i = end;
    }
    out_ += '}';
    notes_.resize(begin);
    return CheckSize();
  }

 private:
  static size_t SaturatedAdd(size_t a, size_t b) { return a + b < a ? SIZE_MAX : a + b; }

  Status CheckSize() const {
    if (out_.size() <= max_size_) return absl::OkStatus();
    return absl::ResourceExhaustedError("the JSON text is larger than the limit");
  }

  Status TakeNotes(const Message& message, std::string_view wire) {
    const size_t begin = notes_.size();
    const Field* oneof = nullptr;  // the member that was met last, which is the one that counts
    size_t oneof_begin = 0;        // where its values begin
    WireReader reader(wire);
    while (!reader.AtEnd()) {
      WireField value;
      if (!reader.Next(value)) {
        return Error(absl::StatusCode::kInvalidArgument, "the bytes of a message {} are damaged", message.name);
      }
      const Field* field = FindField(message, value.number_of_field);
      if (field == nullptr || !Fits(*field, value.type)) continue;
      if (field->presence == Presence::kOneof && field != oneof) {
        oneof = field;
        oneof_begin = notes_.size();
      }
      notes_.push_back({field, value});
    }
    if (oneof == nullptr) return absl::OkStatus();
    size_t kept = begin;
    for (size_t i = begin; i < notes_.size(); ++i) {
      if (notes_[i].field->presence != Presence::kOneof || i >= oneof_begin) notes_[kept++] = notes_[i];
    }
    notes_.resize(kept);
    return absl::OkStatus();
  }

  // The field whose values are the notes [begin, end).
  Status WriteField(size_t begin, size_t end, int depth, bool& first) {
    const Field& field = *notes_[begin].field;
    const Presence presence = field.presence;
    if (presence == Presence::kImplicit && field.kind != Kind::kMessage && IsZero(field.kind, notes_[end - 1].value)) {
      return absl::OkStatus();
    }
    if (!first) out_ += ',';
    first = false;
    AppendName(field.name, out_);
    if (presence == Presence::kRepeated) return WriteArray(field, begin, end, depth);
    if (field.kind != Kind::kMessage) {
      AppendScalar(field.kind, notes_[end - 1].value, out_);
      return CheckSize();
    }
    if (end - begin == 1) return Write(*field.message, notes_[begin].value.bytes, depth + 1);
    std::string merged;  // several pieces of one message: together they are the message
    for (size_t i = begin; i < end; ++i) {
      if (notes_[i].value.bytes.size() > merge_budget_) {
        return absl::ResourceExhaustedError("too many messages are in pieces");
      }
      merge_budget_ -= notes_[i].value.bytes.size();
      merged += notes_[i].value.bytes;
    }
    return Write(*field.message, merged, depth + 1);
  }

  Status WriteArray(const Field& field, size_t begin, size_t end, int depth) {
    out_ += '[';
    const size_t start = out_.size();
    for (size_t i = begin; i < end; ++i) {
      const WireField value = notes_[i].value;
      if (field.kind == Kind::kMessage) {
        if (out_.size() != start) out_ += ',';
        KILN_RETURN_IF_ERROR(Write(*field.message, value.bytes, depth + 1));
      } else if (value.type == WireType::kBytes && TypeOf(field.kind) != WireType::kBytes) {
        KILN_RETURN_IF_ERROR(WritePacked(field, value.bytes, start));
      } else {
        if (out_.size() != start) out_ += ',';
        AppendScalar(field.kind, value, out_);
      }
      KILN_RETURN_IF_ERROR(CheckSize());
    }
    out_ += ']';
    return absl::OkStatus();
  }

  Status WritePacked(const Field& field, std::string_view bytes, size_t start) {
    WireReader reader(bytes);
    WireField value;
    while (!reader.AtEnd()) {
      if (!reader.NextValue(TypeOf(field.kind), value)) {
        return Error(absl::StatusCode::kInvalidArgument, "the bytes of a field {} are damaged", field.name);
      }
      if (out_.size() != start) out_ += ',';
      AppendScalar(field.kind, value, out_);
    }
    return absl::OkStatus();
  }

  const size_t max_size_;
  std::string& out_;
  std::vector<Note> notes_;
  // How many bytes of messages in pieces may be put together: hostile bytes could ask for it again at each level.
  size_t merge_budget_ = size_t{64} << 20;
};

}  // namespace

Status AppendJson(const Message& message, std::string_view wire, size_t max_bytes, std::string& out) {
  const size_t before = out.size();
  Status status = JsonWriter(max_bytes, out).Write(message, wire, 1);
  if (!status.ok()) out.resize(before);
  return status;
}

}  // namespace kiln::otlp
