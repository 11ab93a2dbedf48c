// SPDX-License-Identifier: Apache-2.0
// gRPC over HTTP/2, for one message each way: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>

#include "base/net/http_client.h"
#include "base/net/settings.h"
#include "base/status.h"
#include "exporters/rpc_status.h"

namespace kiln::exporters {

// Length-prefixed: a byte that tells whether `message` was compressed, four of its length, the (compressed) message.
// kOutOfRange if the length does not fit.
StatusOr<std::string> FrameGrpcMessage(Compression compression, std::string_view message);

// The message in an answer's body. Compressed ones are understood, although none is asked for: grpc-go answers in the
// encoding of the request, whatever grpc-accept-encoding says. kInternal if it is not exactly one whole message.
StatusOr<std::string> UnframeGrpcMessage(const HttpResponse& response);

// The status of an answer: from its trailers, from its headers if it has nothing else, or from HTTP's status if it does
// not come from a gRPC server at all. The message is as sent, any bytes.
RpcStatus GrpcStatusOf(const HttpResponse& response);

// The value of grpc-timeout: at most eight digits and a unit. Rounded up; "" if `timeout` is infinite.
std::string GrpcTimeout(absl::Duration timeout);

}  // namespace kiln::exporters
