"""Servers that say who they are, and clients that say what became of a connection."""

import asyncio
import errno
import multiprocessing
import os
import socket
import threading
import time

from steer.place import SECOND, V4, V6

PORTS = {"v1": ("127.0.0.1", 9001), "v2": ("127.0.0.1", 9002)}
DIRECT = [(V4, 80), (SECOND, 80), (V6, 80)]


class Servers:
    """A process that serves: `v1` and `v2` behind Envoy, `direct` at the service's own addresses."""

    def __init__(self, places=None):
        places = places or [*((name, *place) for name, place in PORTS.items()), *(("direct", *p) for p in DIRECT)]
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        self.process = context.Process(target=_serve, args=(places, ready), daemon=True)
        self.process.start()
        assert ready.wait(10), "the servers do not start"

    def close(self):
        self.process.terminate()
        self.process.join()


def _serve(places, ready):
    async def answer(name, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(name), name.encode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def run():
        for name, host, port in places:
            await asyncio.start_server(lambda r, w, n=name: answer(n, r, w), host, port, backlog=1024)
        ready.set()
        await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        pass


REQUEST = b"GET / HTTP/1.1\r\nhost: helloworld\r\nconnection: close\r\n\r\n"


def ask(host=V4, port=80, timeout=5, family=None, blocking=True):
    """Who answers over a connection of its own, and whom the client believes to speak with."""
    family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        if not blocking:
            client.setblocking(False)
            try:
                client.connect((host, port))
            except BlockingIOError:
                pass
            client.setblocking(True)
            client.settimeout(timeout)
        else:
            client.connect((host, port))
        client.sendall(REQUEST)
        peer = client.getpeername()[:2]
        return _body(client), peer


def _body(client):
    got = b""
    while b"\r\n\r\n" not in got:
        more = client.recv(4096)
        if not more:
            raise ConnectionResetError(errno.ECONNRESET, "closed without an answer")
        got += more
    head, body = got.split(b"\r\n\r\n", 1)
    if b" 200 " not in head.split(b"\r\n")[0]:
        return head.split(b"\r\n")[0].decode()
    while len(body) < 2:
        body += client.recv(4096)
    return body.decode()


class Load:
    """Connections without a pause, each with what became of it and when it began and ended."""

    running = []

    def __init__(self, clients=2, timeout=5, host=V4, port=80):
        self.results = []
        self._stop = threading.Event()
        arguments = (timeout, host, port)
        self._threads = [threading.Thread(target=self._run, args=arguments, daemon=True) for _ in range(clients)]
        self.running.append(self)
        for thread in self._threads:
            thread.start()

    def _run(self, timeout, host, port):
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                what, peer = ask(host, port, timeout=timeout)
                # Whoever answers: a client sees whom it dialled.
                what = what if peer == (host, port) else f"peer {peer}"
            except OSError as error:
                what = error
            self.results.append((begun, time.monotonic(), what))
            time.sleep(0.002)

    def stop(self):
        """All results."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.results

    def failed(self):
        """The results that are no answer."""
        return [item for item in self.results if not isinstance(item[2], str) or item[2].startswith("HTTP")]

    def names(self):
        """Who answered how often."""
        names = [item[2] for item in self.results if isinstance(item[2], str)]
        return {name: names.count(name) for name in set(names)}


def in_child(function, *words):
    """Runs a function in a process of its own, and gives what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.write(writing, repr(function(*words)).encode())
            code = 0
        except BaseException as error:  # the parent shall see it
            os.write(writing, repr(error).encode())
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, text
    return text
