// SPDX-License-Identifier: Apache-2.0
#include "base/net/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/net/curl_error.h"

namespace kiln {
namespace {

std::string_view View(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

nghttp2_nv Field(const std::string& name, const std::string& value) {
  // libnghttp2 copies both; it only lacks the const.
  return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Session::Callbacks {
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name_data, size_t name_size,
                      const uint8_t* value_data, size_t value_size, uint8_t, void* user) {
    Http2Session& self = Self(user);
    if (frame->hd.stream_id != self.stream_ || self.state_ != State::kOpen) return 0;
    const std::string_view name = View(name_data, name_size), value = View(value_data, value_size);
    self.header_bytes_ += name_size + value_size;
    if (self.header_bytes_ > kMaxAnswerHeaderBytes) {
      self.Finish(State::kTooLarge);
    } else if (name == ":status") {  // libnghttp2 has checked it: three digits, first of its block
      self.answer_ = {};
      self.answer_.status = std::atoi(std::string(value).c_str());
    } else {
      (self.headers_complete_ ? self.answer_.trailers : self.answer_.headers).emplace_back(name, value);
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* user) {
    Http2Session& self = Self(user);
    if (stream != self.stream_ || self.state_ != State::kOpen) return 0;
    if (size > kMaxAnswerBytes - self.answer_.body.size()) {
      self.Finish(State::kTooLarge);
    } else {
      self.answer_.body.append(reinterpret_cast<const char*>(data), size);
    }
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Self(user);
    if (frame->hd.type == NGHTTP2_SETTINGS) self.settings_seen_ = true;
    if (frame->hd.stream_id != self.stream_ || self.stream_ == 0 || self.state_ != State::kOpen) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
      self.unseen_ = false;
      if (frame->hd.type == NGHTTP2_HEADERS && self.answer_.status >= 200) self.headers_complete_ = true;  // not 1xx
      if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.Finish(State::kAnswered);
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t stream, uint32_t error_code, void* user) {
    Http2Session& self = Self(user);
    if (stream != self.stream_ || self.state_ != State::kOpen) return 0;
    self.reset_code_ = error_code;
    // Also what a GOAWAY excludes is closed with this code.
    self.unseen_ = error_code == NGHTTP2_REFUSED_STREAM;
    self.Finish(State::kReset);
    return 0;
  }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* out, size_t size, uint32_t* flags, nghttp2_data_source*,
                          void* user) {
    Http2Session& self = Self(user);
    const size_t count = std::min(size, self.body_.size());
    if (count > 0) std::memcpy(out, self.body_.data(), count);
    self.body_.remove_prefix(count);
    if (self.body_.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }
};

void Http2Session::SessionFree::operator()(nghttp2_session* session) const { nghttp2_session_del(session); }

Http2Session::Http2Session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session* session = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) std::abort();  // out of memory
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnStreamClose);
  const int made = nghttp2_session_client_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) std::abort();
  session_.reset(session);
  const std::array<nghttp2_settings_entry, 2> settings = {
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxAnswerHeaderBytes}}};
  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0) std::abort();
}

Http2Session::~Http2Session() = default;

bool Http2Session::TakesRequests() const {
  return state_ != State::kOpen && nghttp2_session_check_request_allowed(session_.get()) != 0;
}

void Http2Session::Begin(const HttpHeaders& headers, std::string_view body) {
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size());
  for (const auto& [name, value] : headers) fields.push_back(Field(name, value));
  body_ = body;
  answer_ = {};
  header_bytes_ = 0;
  headers_complete_ = false;
  unseen_ = true;
  reset_code_ = NGHTTP2_NO_ERROR;
  state_ = State::kOpen;
  const nghttp2_data_provider provider{.source = {}, .read_callback = &Callbacks::ReadBody};
  stream_ = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                   body.empty() ? nullptr : &provider, nullptr);
  if (stream_ < 0) {  // all stream numbers are used up, or no memory
    stream_ = 0;
    reset_code_ = NGHTTP2_REFUSED_STREAM;
    Finish(State::kReset);
  }
}

std::string_view Http2Session::Output() {
  if (!output_.empty()) return output_;
  const uint8_t* data = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
  // Only memory and faults of ours make it fail; the connection then comes to its end by the timeout.
  if (size > 0) output_ = View(data, static_cast<size_t>(size));
  return output_;
}

bool Http2Session::Input(std::string_view bytes) {
  const ssize_t taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return taken == static_cast<ssize_t>(bytes.size()) && (!IsOver() || state_ != State::kOpen);
}

bool Http2Session::IsOver() const {
  return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

std::string_view Http2Session::reset_reason() const { return nghttp2_http2_strerror(reset_code_); }

void Http2Session::Finish(State state) {
  state_ = state;
  // A body that nobody wants any more must not be read: it is gone after the exchange.
  if (state != State::kReset && stream_ != 0 && !body_.empty())
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream_, NGHTTP2_CANCEL);
  body_ = {};
}

}  // namespace kiln
