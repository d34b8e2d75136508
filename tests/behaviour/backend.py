"""Backends that report just the bytes they got. Not http.server, which folds `//` and hides mistakes."""

import base64
import hashlib
import json
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events


class Request:
    """A request as it came: its first line, its headers in order, and which one it is."""

    def __init__(self, line, headers, count):
        self.line = line
        self.method, self.path, self.version = line.split(" ", 2)
        self.headers = headers
        self.count = count

    def get(self, name):
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name]


class Reply:
    """What a backend answers: a status, after a pause or when an event is set."""

    def __init__(self, status=200, delay=0.0, hold=None, headers=(), drop=False):
        self.status = status
        self.delay = delay
        self.hold = hold
        self.headers = list(headers)
        self.drop = drop


class Backend:
    """A server on a loopback address of its own. `behave(request)` says what it answers."""

    def __init__(self, name, behave=None, http2=False, dead=False, greets=False):
        self.name = name
        self.behave = behave or (lambda request: Reply())
        self.http2 = http2
        self.greets = greets
        self.count = 0
        self.requests = []
        self.lock = threading.Lock()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        if dead:
            # Bound but not listening: connections are refused, and nobody else gets the port.
            return
        self.socket.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        """Forgets what came before."""
        with self.lock:
            self.count, self.requests = 0, []

    def close(self):
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            serve = self._serve_http2 if self.http2 else self._greet if self.greets else self._serve
            threading.Thread(target=self._guard, args=(serve, connection), daemon=True).start()

    def _guard(self, serve, connection):
        with connection:
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(connection)
            except OSError:
                pass

    def _greet(self, connection):
        """Says its name, then sends back what comes, byte for byte."""
        self.count += 1
        connection.sendall(self.name.encode() + b"\n")
        while data := connection.recv(4096):
            connection.sendall(data)

    def _note(self, line, headers):
        with self.lock:
            self.count += 1
            request = Request(line, headers, self.count)
            self.requests.append(request)
        reply = self.behave(request)
        if reply.hold:
            reply.hold.wait(20)
        time.sleep(reply.delay)
        return request, reply

    def _report(self, request):
        facts = {"name": self.name, "line": request.line, "headers": request.headers}
        return json.dumps(facts).encode()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        while True:
            line = stream.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                return
            headers = []
            while field := stream.readline().decode("latin-1").rstrip("\r\n"):
                name, value = field.split(":", 1)
                headers.append((name, value.strip()))
            request, reply = self._note(line, headers)
            stream.read(int((request.get("content-length") or ["0"])[0]))
            if reply.drop:
                return
            if request.get("upgrade") == ["websocket"]:
                return self._websocket(connection, stream, request)
            body = self._report(request)
            head = [f"HTTP/1.1 {reply.status} X", f"content-length: {len(body)}"]
            head += [f"{name}: {value}" for name, value in reply.headers]
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + (b"" if request.method == "HEAD" else body))

    def _websocket(self, connection, stream, request):
        """Accepts the upgrade and sends back what comes, byte for byte."""
        key = request.get("sec-websocket-key")[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        head = f"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        connection.sendall(head.encode())
        while data := stream.read1(4096):
            connection.sendall(data)

    def _serve_http2(self, connection):
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        state = h2.connection.H2Connection(config=config)
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        while data := connection.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self._answer_http2(state, event)
            connection.sendall(state.data_to_send())

    def _answer_http2(self, state, event):
        pseudo = {name: value for name, value in event.headers if name.startswith(":")}
        headers = [(name, value) for name, value in event.headers if not name.startswith(":")]
        request, reply = self._note(f"{pseudo[':method']} {pseudo[':path']} HTTP/2", headers)
        if pseudo[":path"] == "/grpc.health.v1.Health/Check":
            return _health(state, event.stream_id, reply.status == 200)
        state.send_headers(event.stream_id, [(":status", str(reply.status))])
        state.send_data(event.stream_id, self._report(request), end_stream=True)


def _health(state, stream, serving):
    """The answer to a gRPC health check: a message with the status 1, or 2 for not serving."""
    state.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
    state.send_data(stream, bytes([0, 0, 0, 0, 2, 8, 1 if serving else 2]))
    state.send_headers(stream, [("grpc-status", "0")], end_stream=True)
