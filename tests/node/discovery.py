"""The discovery service: a stream that is cut, and resources that Envoy refuses."""

import contextlib
import pathlib
import socket
import threading
import time

from up import Load, answered, check, helloworld, wait_until

from behaviour.client import get


class Relay:
    """Between Envoy and the discovery service: counts bytes, and cuts the stream."""

    def __init__(self, folder):
        self.folder = folder
        self.open = []
        self.streams = self.bytes = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(folder / "relay.sock"))
        self.socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                envoy, _ = self.socket.accept()
            except OSError:
                return
            ours = socket.socket(socket.AF_UNIX)
            ours.connect(str(self.folder / "xds.sock"))
            self.open = [envoy, ours]
            self.streams += 1
            for source, target, counted in ((envoy, ours, False), (ours, envoy, True)):
                threading.Thread(target=self._move, args=(source, target, counted), daemon=True).start()

    def _move(self, source, target, counted):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.bytes += len(data) if counted else 0
                target.sendall(data)

    def cut(self):
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self.socket.close()
        self.cut()


def through_a_relay(base, envoy, changes=""):
    """An Envoy that is led to the relay's socket, and waits for it."""
    wrapper = pathlib.Path(base) / "envoy"
    wrapper.write_text(
        f"#!/bin/sh\nsed 's/xds.sock/relay.sock/{changes}' envoy.json >led.json\n"
        "while [ ! -S relay.sock ]; do sleep 0.01; done\n"
        f'shift 2\nexec {envoy} -c led.json "$@"\n'
    )
    wrapper.chmod(0o755)
    return str(wrapper)


@check
def a_stream_that_is_cut_fails_nothing(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"), wrap=through_a_relay)
        up.wait("started")
        relay = Relay(up.folder())
        up.wait("live")
        load.begin(up.port())
        first = relay.bytes
        for number in range(1, 41):
            relay.cut()
            assert wait_until(lambda: relay.streams == number + 1, 10), relay.streams
            time.sleep(0.02)
        load.end()
        print(f"   {len(load.results)} requests over 40 cuts, {first} bytes first, {relay.bytes - first} bytes later")
        assert len(load.results) > 100 and load.failed() == {}, load.failed()
        # Envoy says what it has, so that nothing is sent again.
        assert relay.bytes - first < 40 * first / 4, (first, relay.bytes)
        # What changes while there is no stream comes with the next one.
        relay.cut()
        up.save(load.policy('respond 418 "new"'))
        assert wait_until(lambda: get(up.port()).status == 418, 10)
        relay.close()


def in_haste(base, envoy):
    """As above; and it opens the next stream after 5 ms to 20 ms, so that a thousand of them take no minutes."""
    return through_a_relay(base, envoy, ';s/"0.05s"/"0.005s"/;s/"0.5s"/"0.02s"/')


@check
def a_thousand_cuts_fail_nothing(start):
    cuts = 1000
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"), wrap=in_haste)
        up.wait("started")
        relay = Relay(up.folder())
        up.wait("live")
        load.begin(up.port())
        first, lives = relay.bytes, len(up.of("live"))
        for number in range(1, cuts + 1):
            relay.cut()
            assert wait_until(lambda: relay.streams == number + 1, 10), relay.streams
            if number % 100 == 0:
                # A change between two cuts comes through, whenever they are.
                up.save(load.policy(f"timeout {number}s"))
                assert wait_until(lambda: len(up.of("live")) > lives, 10), (number, up.events[-3:])
                lives = len(up.of("live"))
        load.end()
        print(f"   {len(load.results)} requests over {cuts} cuts, {first} bytes first, {relay.bytes - first} bytes later")
        assert len(load.results) > 1000 and load.failed() == {}, load.failed()
        assert relay.bytes - first < cuts * first / 4, (first, relay.bytes)
        relay.close()


@check
def one_bad_resource_of_each_type_leaves_the_good_ones(start):
    with Load(helloworld) as load, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        names = ["first", "routes", "middle", "cluster", "last"]
        endpoint = f"127.0.0.1:{load.backend.server_address[1]}"
        patches = {
            "routes": 'patch route `request_headers_to_add: [{header: {key: ":path", value: x}}]`',
            "cluster": "patch cluster cluster `lb_policy: CLUSTER_PROVIDED`",
        }
        text = "".join(f"service {name}:80 {{ endpoints {endpoint} }}\n" for name in names)
        text += "".join(f"route {name} {{ {patches.get(name, 'timeout 1s')} }}\n" for name in names)
        text += f"listen edge 127.0.0.1:{taken.getsockname()[1]} {{ to first }}\n"
        up = start(policy=text, catalog=False)
        up.wait("live")
        refused = {item["kind"]: item for item in up.of("refused")}
        assert {kind: item["source"] for kind, item in refused.items()} == {
            "routes": "policy.mesh route routes",
            "cluster": "policy.mesh route cluster",
            "listener": "policy.mesh listen edge",
        }, refused
        assert not any(item["kept"] for item in refused.values()), refused
        live = {item["name"] for item in up.of("live")[-1]["listeners"]}
        assert live == {f"default/{name}:80" for name in names if name != "routes"}, live
        for name in ("first", "middle", "last"):
            assert answered(up.port(f"default/{name}:80"))[0] == 200, name
        assert answered(up.port("default/cluster:80"))[0] == 503
        # Mended ones are taken, and the good ones answer all the while.
        load.begin(up.port("default/first:80"))
        count = len(up.of("live"))
        for patch in patches.values():
            text = text.replace(patch, "timeout 2s")
        up.save(text)
        up.wait("live", count + 1)
        load.end()
        assert load.failed() == {}, load.failed()
        assert answered(up.port("default/routes:80"))[0] == 200
        assert answered(up.port("default/cluster:80"))[0] == 200
