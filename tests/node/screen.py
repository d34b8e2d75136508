"""What goes on, on a terminal and off one."""

import re
import time

from up import check, policy, wait_until

from behaviour.client import Client
from harness.terminal import Terminal


@check
def a_terminal_shows_what_goes_on(start):
    run = start(options=["--demo", "--stay", "--requests", "1"])
    run.wait("demo")
    command, environment = run.command, run.environment
    run.stop()
    command = [word for word in command if word not in ("-o", "json")]
    terminal = Terminal(command, environment)
    try:
        assert wait_until(lambda: "demo     default/helloworld:5000" in terminal.text, 20), terminal.text
        port = int(re.search(r"listen   127.0.0.1:(\d+)", terminal.text).group(1))
        client = Client(port)
        for _ in range(200):
            assert client.get().status == 200

        def counted():
            return any("default/helloworld:5000" in line and "201 × 2xx" in line for line in terminal.lines())

        assert wait_until(counted, 10), terminal.text
        lines = terminal.lines()
        (flow,) = [number for number, line in enumerate(lines) if re.match(r"default/helloworld:5000 +[0-9.]+/s", line)]
        assert re.fullmatch(r"  helloworld-v1  wanted  90.0 %  seen +[0-9.]+ %", lines[flow + 1]), lines
        assert re.fullmatch(r"  helloworld-v2  wanted  10.0 %  seen +[0-9.]+ %", lines[flow + 2]), lines
        assert lines[flow + 3 :] == [""], lines
        # Events and diagnostics stand above it, and stay.
        (run.program / "policy.mesh").write_text(policy("route helloworld to v3"))
        assert wait_until(lambda: any("error" in line for line in terminal.lines()), 10), terminal.text
        assert wait_until(lambda: terminal.lines()[-4].startswith("default/helloworld:5000"), 10), terminal.lines()
        assert any(line.startswith("live ") for line in terminal.lines()), terminal.lines()
    finally:
        terminal.close()
    assert terminal.process.returncode == 0


@check
def limits_count_for_their_own_service(start):
    names = {"first": "ratelimit 5/m", "second": "ratelimit 10/m", "third": "ratelimit 10/m by header x-user"}
    text = "".join(f"service {name}:80 {{ endpoints 127.0.0.1:1 }}\nroute {name} {{ {limit} }}\n" for name, limit in names.items())
    up = start(policy=text, catalog=False)
    up.wait("live")
    for name in names:
        client = Client(up.port(f"default/{name}:80"))
        for _ in range(30):
            client.get(headers=[("x-user", "a")])

    def told():
        events = up.of("traffic")
        return {item["name"]: item["limited"] for item in events[-1]["listeners"]} if events else {}

    wanted = {"default/first:80": 25, "default/second:80": 20, "default/third:80": 20}
    assert wait_until(lambda: told() == wanted, 10), told()
    assert up.of("traffic")[-1]["limited"] == 65


@check
def programs_are_told_what_goes_on(start):
    up = start(options=["--demo", "--stay", "--requests", "1"], policy=policy("route helloworld ratelimit 50/m; to v1"))
    up.wait("demo")
    client = Client(up.port())
    for _ in range(100):
        client.get()
    time.sleep(0.1)
    assert wait_until(lambda: sum(event["listeners"][0]["requests"] for event in up.of("traffic")) >= 100, 10)
    told = up.of("traffic")[-1]
    (flow,) = told["listeners"]
    assert (flow["name"], flow["statuses"]["2xx"] + flow["statuses"]["4xx"]) == ("default/helloworld:5000", 101), told
    assert told["limited"] == flow["statuses"]["4xx"] >= 50, told
    (destination,) = flow["destinations"]
    assert (destination["name"], destination["wanted"]) == ("helloworld-v1", 100.0), told
    assert destination["answered"] == flow["statuses"]["2xx"], told
    assert flow["p99"] is None or flow["p99"] >= flow["p50"], told
    # Where nothing goes on, nothing is told.
    time.sleep(1.5)
    before = len(up.of("traffic"))
    time.sleep(2.5)
    assert len(up.of("traffic")) == before
