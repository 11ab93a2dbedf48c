// SPDX-License-Identifier: Apache-2.0
#include "base/net/curl_transfer.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>

#include <algorithm>

#include "base/net/curl_error.h"
#include "base/net/curl_options.h"

namespace kiln {
namespace {

// How long a wait for the network lasts at most; any event ends it.
constexpr int kWaitMs = 1000;

// What comes in, in libcurl's callbacks.
struct Answer {
  HttpResponse response;
  size_t header_bytes = 0;
  bool headers_complete = false;
  bool too_large = false;
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  absl::string_view line = absl::StripTrailingAsciiWhitespace(absl::string_view(data, size));
  answer.header_bytes += size;
  if (answer.header_bytes > kMaxAnswerHeaderBytes) {
    answer.too_large = true;
    return 0;
  }
  if (absl::StartsWith(line, "HTTP/")) {  // the first answer, or the one after "100 Continue" and its kin
    answer.response = {};
    answer.headers_complete = false;
    const size_t blank = line.find(' ');
    if (blank != line.npos && !absl::SimpleAtoi(line.substr(blank + 1, 3), &answer.response.status))
      answer.response.status = 0;
    return size;
  }
  if (line.empty()) {
    answer.headers_complete = answer.response.status >= 200;
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return size;
  HttpHeaders& headers = answer.headers_complete ? answer.response.trailers : answer.response.headers;
  headers.emplace_back(absl::AsciiStrToLower(line.substr(0, colon)),
                       absl::StripAsciiWhitespace(line.substr(colon + 1)));
  return size;
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  if (size > kMaxAnswerBytes - answer.response.body.size()) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, size);
  return size;
}

CurlList ToList(const HttpHeaders& headers, const std::string& host) {
  CurlList list;
  bool has_host = false;
  for (const auto& [name, value] : headers) {
    has_host |= absl::EqualsIgnoreCase(name, "host");
    Append(list, value.empty() ? name + ";" : name + ": " + value);
  }
  if (!host.empty() && !has_host) Append(list, "Host: " + host);
  // What libcurl would add on its own. "Expect" would cost a round trip, or a second where the server knows it not.
  for (const char* name : {"Expect", "Accept", "Content-Type"}) {
    const bool given =
        std::ranges::any_of(headers, [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
    if (!given) Append(list, std::string(name) + ":");
  }
  return list;
}

void SetRequest(CurlOptions& options, const HttpRequest& request) {
  if (request.method == "HEAD") {
    options.Set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST" || !request.body.empty()) {
    options.Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    options.Set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());  // not copied
  }
  if (request.method != "POST" && request.method != "GET" && request.method != "HEAD")
    options.Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

}  // namespace

CURLcode Perform(CurlHandle& handle, const std::atomic<bool>& cancelled) {
  if (curl_multi_add_handle(handle.multi(), handle.easy()) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (running > 0 && !cancelled) {
    CURLMcode code = curl_multi_perform(handle.multi(), &running);
    if (code == CURLM_OK && running > 0) code = curl_multi_poll(handle.multi(), nullptr, 0, kWaitMs, nullptr);
    if (code != CURLM_OK) {
      result = CURLE_FAILED_INIT;
      break;
    }
  }
  if (running == 0) {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handle.multi(), &left))
      if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  return result;
}

StatusOr<HttpResponse> RunTransfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                                   const TransferOptions& transfer, const std::atomic<bool>& cancelled) {
  Answer answer;
  const CurlTarget target{.request = request, .url = url, .tls = handle.material(), .proxy = transfer.proxy};
  CurlTargetBuffers buffers;
  const CurlList headers = ToList(transfer.headers, target.Renamed() ? url.HostAndPort() : "");
  CurlOptions options(handle.easy());
  SetTarget(options, target, buffers);
  SetRequest(options, request);
  options.Set(CURLOPT_HTTPHEADER, headers.get());
  options.Set(CURLOPT_USERAGENT, transfer.user_agent.c_str());
  options.Set(CURLOPT_HEADERFUNCTION, &OnHeader);
  options.Set(CURLOPT_HEADERDATA, &answer);
  options.Set(CURLOPT_WRITEFUNCTION, &OnBody);
  options.Set(CURLOPT_WRITEDATA, &answer);

  const CURLcode result = options.failed() != CURLE_OK ? options.failed() : Perform(handle, cancelled);
  curl_multi_remove_handle(handle.multi(), handle.easy());
  // The buffer is gone when this function returns.
  curl_easy_setopt(handle.easy(), CURLOPT_ERRORBUFFER, nullptr);
  if (answer.too_large) return AnswerTooLarge(target);
  if (result != CURLE_OK)
    return StatusFromCurl(result, {.target = target, .detail = buffers.error.data(), .cancelled = cancelled});
  return std::move(answer.response);
}

}  // namespace kiln
