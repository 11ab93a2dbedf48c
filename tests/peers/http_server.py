# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server for stand-ins: HTTP/1.1 and HTTP/2 (cleartext with prior knowledge, or TLS by ALPN) on one port of
127.0.0.1, gRPC calls over it, and failures on command.

A stand-in gives Server a function from Request to Response, which runs in the server's own thread, one call at a time.
Tests put failures in front of it with server.fail(Fault…): each is for the next request whose path begins with its
prefix.
"""
import asyncio
import base64
import collections
import dataclasses
import struct
import threading
import traceback
import urllib.parse
import zlib

import peers

peers.need_python()
import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.events  # noqa: E402
import h2.exceptions  # noqa: E402
from google.protobuf import any_pb2, duration_pb2  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402

MAX_BODY = 256 << 20
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           413: "Content Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


@dataclasses.dataclass
class Request:
    method: str
    path: str  # without the query
    query: dict
    headers: dict  # names in lower case
    body: bytes  # as it came, maybe compressed
    http2: bool

    def is_grpc(self):
        return self.http2 and self.headers.get("content-type", "").startswith("application/grpc")

    def grpc_message(self):
        """The message of a unary call; ValueError if it is not one message."""
        if len(self.body) < 5 or len(self.body) != 5 + struct.unpack(">I", self.body[1:5])[0]:
            raise ValueError("not exactly one gRPC message")
        message = self.body[5:]
        if self.body[0]:
            if self.headers.get("grpc-encoding") != "gzip":
                raise ValueError(f"no encoding {self.headers.get('grpc-encoding')}")
            message = gunzip(message)
        return message


@dataclasses.dataclass
class Response:
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    trailers: dict = dataclasses.field(default_factory=dict)  # HTTP/2 only


@dataclasses.dataclass
class Fault:
    """What happens to one request. `after_handling`: the request takes effect, only its answer is lost or changed."""

    response: Response = None  # None and not `reset`: the ordinary answer, late
    reset: bool = False  # the connection breaks off
    delay_seconds: float = 0  # before that
    after_handling: bool = False
    path: str = "/"  # a prefix


def gunzip(data, limit=MAX_BODY):
    """ValueError if `data` is not gzip or is longer than `limit` inside."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        out = inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(f"not gzip: {error}") from error
    if len(out) > limit:
        raise OverflowError("too long inside")
    if not inflate.eof:
        raise ValueError("gzip is cut")
    return out


def grpc_response(message=b""):
    return Response(headers={"content-type": "application/grpc"}, body=b"\0" + struct.pack(">I", len(message)) + message,
                    trailers={"grpc-status": "0"})


def grpc_error(code, message, retry_delay_seconds=None):
    """Trailers-only; with RetryInfo if there is a delay."""
    headers = {"content-type": "application/grpc", "grpc-status": str(code),
               "grpc-message": urllib.parse.quote(message, safe=" !#$&'()*+,/:;<=>?@[]^`{|}~\"")}
    if retry_delay_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_delay_seconds * 1e9))
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=code, message=message, details=[detail])
        headers["grpc-status-details-bin"] = base64.b64encode(status.SerializeToString()).decode().rstrip("=")
    return Response(headers=headers)


def text(status, message, **headers):
    return Response(status, {"content-type": "text/plain; charset=utf-8",
                             **{name.replace("_", "-"): value for name, value in headers.items()}},
                    message.encode() + b"\n")


class Server:
    """Runs from __enter__ to __exit__. stop() and start() between make it unreachable for a while; the port stays."""

    def __init__(self, handler, tls=None):
        self.handler = handler
        self.tls = tls  # an ssl.SSLContext
        self.port = 0
        self.requests = []  # (path, status or None for a broken connection) in the order of their answers
        self._faults = collections.deque()
        self._lock = threading.Lock()
        self._loop = None
        self._thread = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self):
        """Closes the port and breaks off every connection."""
        if self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def fail(self, *faults):
        with self._lock:
            self._faults.extend(faults)

    def faults_left(self):
        with self._lock:
            return len(self._faults)

    def _take_fault(self, path):
        with self._lock:
            for fault in self._faults:
                if path.startswith(fault.path):
                    self._faults.remove(fault)
                    return fault
        return None

    async def _run(self, ready):
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._connections = {}  # writer: task
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        tasks = list(self._connections.values())
        for writer, task in list(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks)

    async def _serve(self, reader, writer):
        self._connections[writer] = asyncio.current_task()
        try:
            first = await reader.read(4)
            while 0 < len(first) < 4 and (more := await reader.read(4 - len(first))):
                first += more
            if first == b"PRI ":
                await Http2(self, reader, writer).run(first)
            elif first:
                await self._serve_http1(first, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            del self._connections[writer]
            writer.close()

    async def _serve_http1(self, first, reader, writer):
        while True:
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first = b""
            line, *fields = head.rstrip("\r\n").split("\r\n")
            method, target, _ = line.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await self._read_body(headers, reader)
            response = await self.answer(make_request(method, target, headers, body, http2=False))
            if response is None:
                writer.transport.abort()
                return
            out = {"content-length": str(len(response.body)), **response.headers}
            lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}",
                     *(f"{name}: {value}" for name, value in out.items())]
            writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body)
            await writer.drain()
            if headers.get("connection", "").lower() == "close":
                return

    @staticmethod
    async def _read_body(headers, reader):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(min(int(headers.get("content-length", 0)), MAX_BODY))
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body

    async def answer(self, request):
        """The Response, or None if the connection is to break off."""
        fault = self._take_fault(request.path) or Fault()
        response = None
        if fault.after_handling or not (fault.response or fault.reset):
            try:
                response = self.handler(request)
            except Exception:  # a fault of the stand-in: said, and never taken for a broken connection
                traceback.print_exc()
                response = text(500, f"the stand-in failed:\n{traceback.format_exc()}")
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        response = None if fault.reset else fault.response or response
        self.requests.append((request.path, response.status if response else None))
        return response


def make_request(method, target, headers, body, http2):
    parts = urllib.parse.urlsplit(target)
    return Request(method, parts.path, dict(urllib.parse.parse_qsl(parts.query)), headers, body, http2)


class Http2:
    """One HTTP/2 connection. Requests on it are answered independently of each other."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams = {}  # id: [headers, body]
        self.window = asyncio.Condition()
        self.tasks = set()

    async def run(self, first):
        self.h2.initiate_connection()
        data = first
        try:
            while data:
                for event in self.h2.receive_data(data):
                    await self.on(event)
                self.flush()
                data = await self.reader.read(65536)
        except h2.exceptions.ProtocolError:
            self.flush()
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    async def on(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = [dict(event.headers), bytearray()]
        elif isinstance(event, h2.events.DataReceived):
            if event.stream_id in self.streams:
                self.streams[event.stream_id][1] += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            task = asyncio.create_task(self.answer(event.stream_id, *self.streams.pop(event.stream_id)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)
        elif isinstance(event, h2.events.WindowUpdated):
            async with self.window:
                self.window.notify_all()

    async def answer(self, stream, headers, body):
        response = await self.server.answer(
            make_request(headers[":method"], headers[":path"], headers, bytes(body), http2=True))
        if response is None:
            self.writer.transport.abort()
            return
        try:
            await self.send(stream, response)
        except (h2.exceptions.ProtocolError, ConnectionError):
            pass  # the client is gone or has cancelled

    async def send(self, stream, response):
        trailers = list(response.trailers.items())
        body = response.body
        self.h2.send_headers(stream, [(":status", str(response.status)), *response.headers.items()],
                             end_stream=not body and not trailers)
        while body:
            async with self.window:
                await self.window.wait_for(lambda: self.h2.local_flow_control_window(stream) > 0)
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            self.h2.send_data(stream, body[:size], end_stream=size == len(body) and not trailers)
            body = body[size:]
            self.flush()
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()
