"""Who ends when: the command, its keeper, and Envoy."""

import os
import shutil
import signal
import time

from up import Load, answered, check, ended, helloworld, wait_until


@check
def an_envoy_that_ends_is_started_again(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("demo")
    (envoy,) = up.envoys()
    os.kill(envoy, signal.SIGKILL)
    up.wait("ended")
    assert wait_until(lambda: len(up.of("started")) == 2)
    port = up.port()

    def answers():
        try:
            return answered(port)[0] == 200
        except OSError:
            return False

    assert wait_until(answers, 10)


@check
def nothing_outlives_a_kill_for_long(start):
    up = start(options=["--linger", "1s"])
    up.wait("live")
    killed = time.monotonic()
    up.kill()
    time.sleep(0.5)
    assert up.envoys() != []
    assert wait_until(lambda: up.left() == [], 5), up.left()
    assert time.monotonic() - killed >= 1


@check
def an_envoy_that_nobody_can_find_ends(start):
    up = start(options=["--linger", "1m"])
    up.wait("live")
    keeper = up.keeper()
    up.kill()
    shutil.rmtree(up.folder())
    assert wait_until(lambda: up.envoys() == [] and ended(keeper), 5), up.envoys()


@check
def the_next_run_takes_over_what_a_killed_one_left(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        envoy, port = up.envoys(), up.port()
        load.begin(port)
        for number in range(2, 22):
            up.kill()
            assert up.envoys() == envoy
            # What changed meanwhile is served, and the ports stay.
            up = start(after=up, policy=load.policy(f"timeout {number}s"))
            assert up.wait("started")["taken_over"]
            up.wait("live")
            assert up.port() == port, up.events
        load.end()
        assert up.envoys() == envoy
        print(f"   {len(load.results)} requests over 20 kills")
        assert len(load.results) > 100 and load.failed() == {}, load.failed()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(5) == 0
    assert up.left() == []


@check
def what_envoy_refuses_after_a_kill_is_set_back(start):
    with Load(helloworld) as load:
        patches = ['patch route `request_headers_to_add: [{header: {key: ":path", value: x}}]`', "patch cluster helloworld `lb_policy: CLUSTER_PROVIDED`"]
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        load.begin(up.port())
        for number, patch in enumerate(patches, 2):
            up.kill()
            up = start(after=up, policy=load.policy(f"timeout 1s; {patch}"))
            assert up.wait("started")["taken_over"]
            assert up.wait("refused")["kept"], up.events
            up.wait("live")
            assert answered(up.port())[0] == 200
            # What is mended is taken, and the next run finds that.
            up.save(load.policy(f"timeout {number}s"))
            up.wait("live", 2)
        load.end()
        assert load.failed() == {}, load.failed()
        # Where the journal is lost, what is refused is withdrawn.
        up.kill()
        (up.folder() / "taken").unlink()
        up = start(after=up, policy=load.policy(f"timeout 1s; {patches[0]}"))
        assert not up.wait("refused")["kept"], up.events


@check
def the_pause_begins_anew_after_a_time_of_health(start):
    up = start()
    up.wait("live")
    for number in range(1, 4):
        assert wait_until(lambda: len(up.of("started")) == number and len(up.envoys()) == 1)
        if number == 3:
            time.sleep(10.5)
        os.kill(up.envoys()[0], signal.SIGKILL)
        up.wait("ended", number)
    assert [event["again_in"] for event in up.of("ended")] == [100, 200, 100]


@check
def an_envoy_of_another_kind_is_ended(start):
    up = start()
    up.wait("live")
    (envoy,) = up.envoys()
    up.kill()
    bootstrap = up.folder() / "envoy.json"
    bootstrap.write_text(bootstrap.read_text().replace('"cluster":"meshc"', '"cluster":"older"'))
    up = start(after=up)
    assert not up.wait("started")["taken_over"]
    up.wait("live")
    assert len(up.envoys()) == 1 and up.envoys() != [envoy]


@check
def an_envoy_ends_with_its_keeper(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("demo")
    (envoy,) = up.envoys()
    os.kill(up.keeper(), signal.SIGKILL)
    up.wait("ended")
    up.wait("started", 2)
    assert wait_until(lambda: len(up.envoys()) == 1 and up.envoys() != [envoy], 5), up.envoys()

    def answers():
        try:
            return answered(up.port())[0] == 200
        except OSError:
            return False

    assert wait_until(answers, 10)
    # Both at once: nothing is left but the folder, which the next run takes.
    keeper = up.keeper()
    up.kill()
    os.kill(keeper, signal.SIGKILL)
    assert wait_until(lambda: up.envoys() == [] and ended(keeper), 2), up.envoys()
    up = start(after=up)
    assert not up.wait("started")["taken_over"]
    up.wait("live")


@check
def a_set_has_one_run(start):
    up = start()
    up.wait("live")
    second = start(after=up)
    assert second.process.wait(10) == 3
    said = f"another `meshc up` runs these policies: process {up.process.pid}"
    assert wait_until(lambda: said in second.said, 5), second.said
    assert len(up.envoys()) == 1
    assert up.process.poll() is None


@check
def ctrl_c_leaves_nothing(start):
    for options in ([], ["--demo", "--requests", "10000000"]):
        up = start(options=options)
        up.wait("live")
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(2) == 0
        assert up.left() == []


@check
def ctrl_c_is_heard_between_two_starts(start):
    up = start(envoy="/bin/false")
    up.wait("ended", 4)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(0.5) == 0
    assert up.left() == []
