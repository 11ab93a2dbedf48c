// SPDX-License-Identifier: Apache-2.0
// The client's side of one HTTP/2 connection (RFC 9113), on libnghttp2, without a socket: bytes in, bytes out.
//
// libcurl 7.88 speaks HTTP/2 too, but it fails where a gRPC server answers before it has read the whole message (the
// usual way to say that it is too large), and it can't use a connection without TLS a second time. So libcurl makes the
// connections (names, proxies, TLS), and this speaks on them. One exchange at a time: several requests at once take
// several connections, none of which waits for the other's windows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/net/http_client.h"

struct nghttp2_session;

namespace kiln {

// Thread-compatible.
class Http2Session {
 public:
  Http2Session();
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Whether the server takes a further request: no exchange is under way, and it did not say that it is leaving.
  bool TakesRequests() const;
  // Begins an exchange. `headers` with the pseudo header fields first, names in lower case. `body` must live until the
  // exchange is over.
  void Begin(const HttpHeaders& headers, std::string_view body);

  // What is to be sent; empty if nothing can be sent now. Valid until the next call of anything but Sent.
  std::string_view Output();
  void Sent(size_t bytes) { output_.remove_prefix(bytes); }
  // What came. False if no more can come: the server broke the protocol or ended the session.
  bool Input(std::string_view bytes);
  // True once all is said: after a breach of the protocol, when the server has been told so. The session is then of no
  // use.
  bool IsOver() const;

  enum class State : uint8_t {
    kOpen,
    kAnswered,  // the answer is whole; the request may not be, if the server did not want the rest of it
    kReset,     // by the server; see reset_reason
    kTooLarge,  // the answer exceeds the client's limits
  };
  State state() const { return state_; }
  // Of an exchange that is kAnswered.
  HttpResponse TakeAnswer() { return std::move(answer_); }
  // "REFUSED_STREAM" …
  std::string_view reset_reason() const;
  // True if the server says that it has not looked at the request, or nothing has come from it since Begin: on a
  // connection that was used before, the request is then safely sent again on another one.
  bool Unseen() const { return unseen_; }
  // False if nothing came that an HTTP/2 server must send first.
  bool IsHttp2() const { return settings_seen_; }

 private:
  struct Callbacks;
  friend struct Callbacks;
  void Finish(State state);

  struct SessionFree {
    void operator()(nghttp2_session* session) const;
  };
  std::unique_ptr<nghttp2_session, SessionFree> session_;
  std::string_view output_;  // in the session's memory
  bool settings_seen_ = false;

  // The exchange.
  int32_t stream_ = 0;  // 0 = none
  std::string_view body_;
  State state_ = State::kAnswered;
  HttpResponse answer_;
  size_t header_bytes_ = 0;
  bool headers_complete_ = false;
  bool unseen_ = false;
  uint32_t reset_code_ = 0;
};

}  // namespace kiln
