"""Between a run and the API server: passes watches on as they come, counts, and does what is asked for instead."""

import contextlib
import http.client
import http.server
import json
import socket
import threading
import time


def gone_event():
    """What a watch gets whose place is forgotten."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
              "message": "too old resource version"}  # fmt: skip
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def begin(self, status, kind="application/json"):
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def do_GET(self):
        proxy = self.server.proxy
        proxy.seen.append((time.monotonic(), self.path))
        answer = proxy.fault(self.path)
        if answer is not None:
            status, body = answer
            self.begin(status)
            self.chunk(body)
            self.chunk(b"")
            return
        target = proxy.target
        connection = http.client.HTTPSConnection("127.0.0.1", target.port, context=target.context, timeout=120)
        try:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding")}
            connection.request("GET", self.path, headers=kept)
            proxy.open.append(connection.sock)
            answer = connection.getresponse()
            self.begin(answer.status, answer.getheader("content-type"))
            while data := answer.read1(65536):
                while proxy.silent.is_set():
                    time.sleep(0.05)
                self.chunk(data)
            self.chunk(b"")
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            self.close_connection = True
        finally:
            connection.close()


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass


class Proxy:
    """Listens until it is closed; `fault(path)` gives a status and a body, or nothing."""

    def __init__(self, target):
        self.target, self.seen, self.open, self.silent = target, [], [], threading.Event()
        self.fault = lambda path: None
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.proxy = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def count(self, what, since=0.0):
        """How many requests had this in their path."""
        return sum(what in path for at, path in list(self.seen) if at >= since)

    def cut(self):
        """Ends what is under way."""
        while self.open:
            with contextlib.suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.silent.clear()
        self.http.shutdown()
        self.http.server_close()
        self.cut()
