"""Odd things that happen to a run: to its files, its terminal, its disk, and its output."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

from lb_maps import able
from up import Load, answered, check, helloworld, policy, wait_until

from behaviour.client import get
from harness.terminal import Terminal


def answers(port):
    try:
        return answered(port)[0]
    except OSError:
        return None


@check
def files_that_come_and_go_take_nothing_away(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        port, file = up.port(), up.program / "policy.mesh"
        load.begin(port)

        def breaks(change):
            """A change that cannot be served is said, and the next good one is served."""
            said, lives = len(up.of("diagnostic")) + len(up.said), len(up.of("live"))
            change()
            assert wait_until(lambda: len(up.of("diagnostic")) + len(up.said) > said, 10), (change, up.events[-3:], up.said)
            assert up.process.poll() is None
            if up.program.is_symlink():
                up.program.unlink()
            up.program.mkdir(exist_ok=True)
            if file.is_dir():
                file.rmdir()
            file.unlink(missing_ok=True)
            file.write_text(load.policy(f"timeout {lives + 1}s"))
            assert wait_until(lambda: len(up.of("live")) > lives, 10), (change, up.events[-3:], up.said)
            assert answers(port) == 200, change

        breaks(lambda: shutil.rmtree(up.program))
        breaks(lambda: (file.unlink(), file.mkdir()))
        breaks(lambda: file.write_bytes(b"\0\xff\xfe" * 1000))
        breaks(lambda: file.write_text("route helloworld {"))
        breaks(lambda: (file.unlink(), file.symlink_to("nowhere.mesh")))
        breaks(lambda: (file.unlink(), file.symlink_to("policy.mesh")))
        load.end()
        assert load.failed() == {}, load.failed()


@check
def no_policy_is_one_that_serves_nothing(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        (up.program / "policy.mesh").write_text("")
        assert up.wait("live", 2)["listeners"] == []
        up.save(load.policy("timeout 2s"))
        up.wait("live", 3)
        assert answers(up.port()) == 200
        up.program.joinpath("policy.mesh").unlink()
        time.sleep(0.5)
        up.save(load.policy("timeout 3s"))
        assert wait_until(lambda: answers(up.port()) == 200, 10), up.events


@check
def a_folder_behind_a_symlink_is_swapped(start):
    # As a ConfigMap is mounted: `..data` leads to a folder of the day.
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        file = up.program / "policy.mesh"
        for number in range(2, 8):
            day = up.program / f"..day{number}"
            day.mkdir()
            (day / "policy.mesh").write_text(load.policy(f'respond 418 "{number}"'))
            (up.program / "..new").symlink_to(day.name)
            (up.program / "..new").rename(up.program / "..data")
            if number == 2:
                file.unlink()
                file.symlink_to("..data/policy.mesh")
            assert wait_until(lambda: get(up.port()).body == str(number).encode(), 10), (number, up.events[-3:], up.said)
            assert get(up.port()).status == 418


@check
def a_file_that_is_replaced_all_the_time_is_served_in_the_end(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        load.begin(up.port())
        new, until, number = up.program / "new", time.monotonic() + 3, 1
        while time.monotonic() < until:
            number += 1
            new.write_text(load.policy(f"timeout {number}s") + "#" * number)
            new.rename(up.program / "policy.mesh")
            time.sleep(0.02)
        lives = len(up.of("live"))
        load.end()
        up.save(load.policy('respond 418 "last"'))
        assert wait_until(lambda: get(up.port()).status == 418, 10), up.events[-3:]
        print(f"   {number} files, {lives} of them served meanwhile, {len(load.results)} requests")
        assert load.failed() == {}, load.failed()
        assert up.of("diagnostic") == [], up.of("diagnostic")[:2]


@check
def a_pipe_in_the_place_of_a_policy_does_not_hold_the_run(start):
    up = start(policy=policy("route helloworld to v1"))
    up.wait("live")
    (up.program / "policy.mesh").unlink()
    os.mkfifo(up.program / "policy.mesh")
    time.sleep(0.5)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(5) == 0


@check
def each_signal_that_ends_leaves_nothing(start):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        up = start()
        up.wait("live")
        for _ in range(3):
            up.process.send_signal(number)
        assert up.process.wait(5) == 0
        assert up.left() == [], (number, up.left())


@check
def a_reader_that_goes_away_does_not_end_the_run(start):
    up = start(options=["--no-steer"])
    up.wait("live")
    command, environment = up.command, up.environment
    up.stop()
    reading, writing = os.pipe()
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=environment)
    os.close(writing)
    try:
        os.read(reading, 10)
        os.close(reading)
        (up.program / "policy.mesh").write_text(policy("route helloworld to v2"))
        time.sleep(1)
        assert process.poll() is None
        times = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        assert sum(map(int, times[11:13])) < 100, "it turns in circles"
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
    assert code == 0 and process.stderr.read() == b"", code


@check
def a_reader_that_never_reads_does_not_make_it_immortal(start):
    up = start()
    up.wait("live")
    command, environment = up.command, up.environment
    up.stop()
    process = subprocess.Popen([*command, "--linger", "1s"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    assert wait_until(lambda: len(up.envoys()) == 1, 20)
    # More than a pipe holds.
    (up.program / "policy.mesh").write_text("".join(f"route nobody{number} to nowhere\n" for number in range(3000)))
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 1
    process.stdout.close()
    assert wait_until(lambda: up.left() == [], 10), up.left()


@check
def nohup_makes_it_outlive_its_terminal(start):
    up = start()
    up.wait("live")
    command, environment = up.command, up.environment
    up.stop()
    process = subprocess.Popen(["nohup", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    assert wait_until(lambda: len(up.envoys()) == 1, 20)
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None and len(up.envoys()) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


@check
def a_terminal_of_any_size_is_drawn_on(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("live")
    command, environment = up.command, up.environment
    up.stop()
    terminal = Terminal([word for word in command if word not in ("-o", "json")], environment)
    try:
        assert wait_until(lambda: "2xx" in terminal.text, 20), terminal.text
        for lines, columns in ((1, 1), (2, 3), (0, 0), (5, 30), (500, 500), (24, 100)):
            terminal.resize(lines, columns)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            seen = len(terminal.text)
            time.sleep(1.2)
            assert terminal.process.poll() is None, (lines, columns)
        assert len(terminal.text) > seen and any("wanted  90.0 %" in line for line in terminal.lines()[-4:]), terminal.text[-500:]
    finally:
        terminal.close()
    assert terminal.process.returncode == 0


@check
def a_terminal_that_is_closed_ends_the_run(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("live")
    command, environment = up.command, up.environment
    up.stop()
    # The terminal is the one of its session, as a window's is.
    process = subprocess.Popen(["script", "-qec", " ".join(command), "/dev/null"], env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.PIPE)
    assert wait_until(lambda: len(up.envoys()) == 1, 20)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: up.left() == [], 10), up.left()


@check
def of_many_runs_at_once_one_is(start):
    first = start()
    first.wait("live")
    first.kill()
    runs = [start(after=first) for _ in range(6)]
    assert wait_until(lambda: sum(run.process.poll() is None for run in runs) == 1, 20)
    (only,) = [run for run in runs if run.process.poll() is None]
    only.wait("live")
    assert {run.process.returncode for run in runs} == {3, None} and len(only.envoys()) == 1


def fill(path):
    """Fills a disk to its end."""
    with path.open("ab", buffering=0) as full, contextlib.suppress(OSError):
        while True:
            full.write(b"x" * 512)


@check
def a_full_disk_is_told_and_taken(start):
    if not able():
        return
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"), small="256k", catalog=False)
        up.wait("live")
        port, folder, envoys = up.port(), up.folder(), up.envoys()
        filler = up.temporary / "filler"
        fill(filler)
        # What is saved now is served, and the next run finds the ports of before.
        up.save(load.policy("timeout 2s") + "service more:80 { endpoints 127.0.0.1:1 }\nroute more timeout 1s\n")
        up.wait("live", 2)
        assert answers(port) == 200
        up.kill()
        up = start(after=up, policy=load.policy("timeout 3s"), catalog=False)
        assert up.wait("started")["taken_over"]
        up.wait("live")
        assert up.port() == port and up.envoys() == envoys and folder.exists()
        up.stop()
        # Nothing can be begun.
        fill(filler)
        again = start(after=up)
        assert again.process.wait(10) == 3
        assert "No space left on device" in again.said and "meshc-up-" in again.said, again.said
        filler.unlink()
        again.stop()


@check
def two_programs_that_begin_at_once_share_no_port(start):
    for _ in range(5):
        runs = [start(policy=f'service s{at}:80 {{ endpoints 127.0.0.1:1 }}\nroute s{at} respond 418 "{at}"\n', catalog=False) for at in range(3)]
        for run in runs:
            run.wait("live")
        ports = [run.port(f"default/s{at}:80") for at, run in enumerate(runs)]
        assert len(set(ports)) == 3, ports
        for at, port in enumerate(ports):
            assert {get(port).body for _ in range(10)} == {str(at).encode()}, (at, ports)
        for run in runs:
            run.stop()
