"""A proxy in front of the API server that does to chosen requests what networks do."""

import http.client
import http.server
import socket
import ssl
import struct
import threading
import time


class Fault:
    """What happens to a request."""

    def before(self, handler):
        """True when the request shall not reach the server."""
        return False

    def answer(self, handler, status, headers, body):
        handler.pass_on(status, headers, body)


class Reset(Fault):
    """The connection is reset, before the request arrives or after."""

    def __init__(self, arrives=False):
        self.arrives = arrives

    def before(self, handler):
        if not self.arrives:
            handler.reset()
        return not self.arrives

    def answer(self, handler, status, headers, body):
        handler.reset()


class Stall(Fault):
    """Nothing comes back for a long time; the request may have arrived."""

    def __init__(self, arrives, seconds=8):
        self.arrives, self.seconds = arrives, seconds

    def before(self, handler):
        if not self.arrives:
            time.sleep(self.seconds)
            handler.reset()
        return not self.arrives

    def answer(self, handler, status, headers, body):
        time.sleep(self.seconds)
        handler.reset()


class Drip(Fault):
    """The answer comes byte by byte, so that no single read waits long."""

    def answer(self, handler, status, headers, body):
        handler.start(status, [*headers, ("content-length", str(len(body)))])
        try:
            for byte in body[:40]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.2)
        finally:
            handler.reset()


class Cut(Fault):
    """The answer ends early."""

    def __init__(self, after):
        self.after = after

    def answer(self, handler, status, headers, body):
        handler.start(status, [*headers, ("content-length", str(len(body)))])
        handler.wfile.write(body[: self.after])
        handler.wfile.flush()
        handler.reset()


class Says(Fault):
    """The proxy answers by itself; with `arrives` the request has had its effect all the same."""

    def __init__(self, status, body=b"", headers=(), arrives=False):
        self.status, self.body, self.headers, self.arrives = status, body, headers, arrives

    def before(self, handler):
        if not self.arrives:
            handler.pass_on(self.status, self.headers, self.body)
        return not self.arrives

    def answer(self, handler, status, headers, body):
        handler.pass_on(self.status, self.headers, self.body)


class Call(Fault):
    """Calls a function before the request arrives, or after it had its effect, and drops the connection."""

    def __init__(self, function, arrives):
        self.function, self.arrives = function, arrives

    def before(self, handler):
        if not self.arrives:
            self.function()
            handler.reset()
        return not self.arrives

    def answer(self, handler, status, headers, body):
        self.function()
        handler.reset()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def reset(self):
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass

    def start(self, status, headers):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def pass_on(self, status, headers, body):
        self.start(status, [*headers, ("content-length", str(len(body)))])
        self.wfile.write(body)

    def forward(self, body):
        server = self.server.target
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.context, timeout=60)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding")}
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() in ("content-type", "retry-after")]
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def serve(self):
        try:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fault = self.server.choose(self.command, self.path) or Fault()
            if fault.before(self):
                return
            fault.answer(self, *self.forward(body))
        except OSError:
            self.reset()
        except ValueError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass


class Proxy:
    """Listens until it is closed; `fault(number, method, path)` chooses. `/readyz` is not counted."""

    def __init__(self, server, fault=lambda number, method, path: None):
        self.fault, self.count, self.seen = fault, 0, []
        self.lock = threading.Lock()
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.target, self.http.choose = server, self._choose
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def _choose(self, method, path):
        if path.startswith("/readyz"):
            return None
        with self.lock:
            number = self.count
            self.count += 1
            self.seen.append((method, path))
        return self.fault(number, method, path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
