// SPDX-License-Identifier: Apache-2.0
// HTTP/2 for TestServer, on libnghttp2.
#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "base/net/testing/test_server.h"

namespace kiln::testing {
namespace {

using Fault = TestAnswer::Fault;

class Connection {
 public:
  Connection(TestSocket& socket, const std::string& peer_name, int number, bool early,
             const std::function<TestAnswer(const TestRequest&)>& handle)
      : socket_(socket), peer_name_(peer_name), number_(number), early_(early), handle_(handle) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, &Connection::OnSend);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &Connection::OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Connection::OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Connection::OnFrame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &Connection::OnFrameSent);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    // Who answers early does not want the rest of the body.
    nghttp2_option_set_no_auto_window_update(option, early ? 1 : 0);
    nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
  }
  ~Connection() { nghttp2_session_del(session_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Run() {
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    std::array<char, 16384> buffer;
    while (!closing_ && nghttp2_session_send(session_) == 0) {
      if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) return;
      const size_t got = socket_.Read(buffer.data(), buffer.size());
      if (got == 0) return;
      if (nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer.data()), got) < 0) return;
    }
  }

 private:
  struct Stream {
    TestRequest request;
    TestAnswer answer;
    bool answered = false;
    size_t sent = 0;
  };

  static Connection& Self(void* user) { return *static_cast<Connection*>(user); }

  static ssize_t OnSend(nghttp2_session*, const uint8_t* data, size_t size, int, void* user) {
    const bool sent = Self(user).socket_.Write({reinterpret_cast<const char*>(data), size});
    return sent ? static_cast<ssize_t>(size) : ssize_t{NGHTTP2_ERR_CALLBACK_FAILURE};
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    TestRequest& request = Self(user).streams_[frame->hd.stream_id].request;
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":method") {
      request.method = text;
    } else if (key == ":path") {
      request.path = text;
    } else {
      request.headers.emplace_back(key == ":authority" ? "host" : key, text);
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
    Self(user).streams_[id].request.body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Connection& self = Self(user);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (self.early_ || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.Answer(frame->hd.stream_id);
    return 0;
  }

  // As servers do that have answered but don't want the rest of the request.
  static int OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (Self(user).early_ && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
  }

  static nghttp2_nv Pair(const std::string& name, const std::string& value) {
    return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
            .namelen = name.size(),
            .valuelen = value.size(),
            .flags = NGHTTP2_NV_FLAG_NONE};
  }

  static ssize_t ReadBody(nghttp2_session* session, int32_t id, uint8_t* out, size_t size, uint32_t* flags,
                          nghttp2_data_source*, void* user) {
    Stream& stream = Self(user).streams_[id];
    const TestAnswer& answer = stream.answer;
    if (answer.fault == Fault::kEndless) {
      std::memset(out, 'x', size);
      return static_cast<ssize_t>(size);
    }
    const size_t count = std::min(size, answer.body.size() - stream.sent);
    std::memcpy(out, answer.body.data() + stream.sent, count);
    stream.sent += count;
    if (stream.sent < answer.body.size()) return static_cast<ssize_t>(count);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (answer.fault == Fault::kCut) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    } else if (!answer.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> trailers;
      for (const auto& [name, value] : answer.trailers) trailers.push_back(Pair(name, value));
      nghttp2_submit_trailer(session, id, trailers.data(), trailers.size());
    }
    return static_cast<ssize_t>(count);
  }

  void Answer(int32_t id) {
    Stream& stream = streams_[id];
    if (stream.answered) return;
    stream.answered = true;
    stream.request.connection = number_;
    stream.request.peer_name = peer_name_;
    stream.answer = handle_(stream.request);
    if (stream.answer.fault == Fault::kReset) {
      socket_.Reset();
      closing_ = true;
    }
    if (stream.answer.fault == Fault::kReset || stream.answer.fault == Fault::kHang) return;
    const std::string status = std::to_string(stream.answer.status), status_name = ":status";
    std::vector<nghttp2_nv> headers = {Pair(status_name, status)};
    for (const auto& [name, value] : stream.answer.headers) headers.push_back(Pair(name, value));
    nghttp2_data_provider body{.source = {}, .read_callback = &Connection::ReadBody};
    const bool headers_only =
        stream.answer.body.empty() && stream.answer.trailers.empty() && stream.answer.fault == Fault::kNone;
    nghttp2_submit_response(session_, id, headers.data(), headers.size(), headers_only ? nullptr : &body);
  }

  TestSocket& socket_;
  const std::string peer_name_;
  const int number_;
  const bool early_;
  const std::function<TestAnswer(const TestRequest&)>& handle_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  bool closing_ = false;
};

}  // namespace

void ServeHttp2(TestSocket& socket, const std::string& peer_name, int number, bool answer_early,
                const std::function<TestAnswer(const TestRequest&)>& handle) {
  Connection(socket, peer_name, number, answer_early, handle).Run();
}

}  // namespace kiln::testing
