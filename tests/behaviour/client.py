"""Requests, with every byte of the head under control."""

import http.client
import json
import math
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events

TIMEOUT = 20


class Answer:
    """A response."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def get(self, name):
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def seen(self):
        """What the backend reported."""
        return json.loads(self.body)

    @property
    def backend(self):
        """Which backend answered."""
        return self.seen["name"]

    @property
    def path(self):
        """The path that the backend got."""
        return self.seen["line"].split(" ")[1]

    def sent(self, name):
        """The values of a header that the backend got."""
        return [value for key, value in self.seen["headers"] if key.lower() == name]


class Client:
    """Requests over one connection that is kept."""

    def __init__(self, port, source=None):
        self.port = port
        address = (source, 0) if source else None
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT, source_address=address)

    def get(self, path="/", headers=(), method="GET", host="shop.example"):
        """Sends a request; the path goes out as it is."""
        connection = self.connection
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in [("host", host), *headers]:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())

    def close(self):
        self.connection.close()


def get(port, path="/", headers=(), method="GET", host="shop.example", source=None):
    """One request over a connection of its own, from a loopback address."""
    client = Client(port, source)
    try:
        return client.get(path, headers, method, host)
    finally:
        client.close()


def at_once(port, count, path="/"):
    """Answers to requests that are all under way together."""
    answers = [None] * count

    def one(index):
        answers[index] = get(port, path)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    return answers, threads


def wait_until(holds, seconds=20):
    """Waits for something that takes milliseconds; whether it came."""
    deadline = time.monotonic() + seconds
    # Asked once more, what draws by chance might say something else.
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(held)


def raw(port, data, until=b""):
    """Sends bytes; gives what comes back until the peer closes, or until these bytes came."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(data)
        got = b""
        while chunk := connection.recv(65536):
            got += chunk
            if until and until in got:
                break
        return got


def http2(port, path="/", headers=()):
    """One request over HTTP/2 with prior knowledge: its status and body."""
    config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    state = h2.connection.H2Connection(config=config)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        state.initiate_connection()
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path), *headers]
        state.send_headers(1, head, end_stream=True)
        connection.sendall(state.data_to_send())
        got, body, done = [], b"", False
        while not done:
            data = connection.recv(65536)
            if not data:
                break
            for event in state.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    got = event.headers
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                done = done or isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
            connection.sendall(state.data_to_send())
    return Answer(int(dict(got)[":status"]), got, body)


def binomial_bounds(count, share, odds=1e-9):
    """The hits, out of `count` draws, that are missed on either side with less than these odds."""

    def log_chance(hits):
        choose = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
        return choose + hits * math.log(share) + (count - hits) * math.log1p(-share)

    low, tail = 0, 0.0
    while tail + math.exp(log_chance(low)) < odds:
        tail += math.exp(log_chance(low))
        low += 1
    high, tail = count, 0.0
    while tail + math.exp(log_chance(high)) < odds:
        tail += math.exp(log_chance(high))
        high -= 1
    return low, high
