"""A disk without room, for real: a small file system of this test's own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import nats
import nats.errors
import pytest

from flowtask_local import space
from flowtask_local.nats import WHOLE
from flowtask_local.probe import get_status

CLI = Path(__file__).with_name("cli.py")


@pytest.fixture
def disk(tmp_path):
    """Makes a file system of that many MiB; it goes with the test."""
    mounted = []

    def make(mebibytes):
        place = tmp_path / f"disk {len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "none", place]
        if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("only root on Linux may make a small file system, and not in every container")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True)


def command(*arguments):
    return [sys.executable, CLI, *arguments]


@pytest.mark.parametrize("mebibytes", [1, 20])
def test_a_start_without_room_says_so_in_one_sentence_and_works_once_there_is_room(disk, mebibytes, bin_dir, tmp_path):
    place = disk(mebibytes)
    done = subprocess.run(
        command("up", place / "home", bin_dir, "--quiet"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == f"The disk that holds {place / 'home'} is full: make room and start again; nothing is lost.\n"
    subprocess.run(["mount", "-o", "remount,size=100m", place], check=True)
    demo = subprocess.Popen(
        command("up", place / "home", bin_dir),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert "Ctrl-C stops.\n" in iter(demo.stdout.readline, "")
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=30)
    assert demo.returncode == 0


def test_a_disk_that_fills_up_while_it_runs_is_told_of_and_all_goes_on_when_there_is_room(
    disk, made_home, bin_dir, tmp_path, eventually
):
    place = disk(90)
    subprocess.run(["cp", "-a", made_home, place / "home"], check=True)
    shown = tmp_path / "shown.txt"
    with shown.open("w") as file:
        up = subprocess.Popen(
            command("up", place / "home", bin_dir), cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: "Ctrl-C stops." in shown.read_text() or up.poll() is not None, timeout=60)
        local = json.loads((place / "home" / "local.json").read_text())
        asyncio.run(publish_until_full(place, local["nats"]["port"]))
        eventually(lambda: "is full or nearly so" in shown.read_text())
        os.kill(local["services"]["api"]["pid"], signal.SIGKILL)
        eventually(lambda: "api runs again." in shown.read_text())
        eventually(lambda: get_status(local["nats"]["monitorPort"], WHOLE) == HTTPStatus.SERVICE_UNAVAILABLE)
        (place / "filler").unlink()
        eventually(lambda: "NATS runs again." in shown.read_text(), timeout=20)
        assert "has room again." in shown.read_text()
        assert get_status(local["nats"]["monitorPort"], WHOLE) == HTTPStatus.OK
        after = json.loads((place / "home" / "local.json").read_text())
        assert after["services"]["api"]["pid"] != local["services"]["api"]["pid"], "what had no room was written later"
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)

    assert up.returncode == 0
    assert "Traceback" not in shown.read_text()


async def publish_until_full(place, port):
    """Until the disk is full and JetStream takes no more; by then it has given itself up."""
    password = json.loads((place / "home" / "secrets.json").read_text())["natsAdmin"]
    client = await nats.connect(f"nats://admin:{password}@127.0.0.1:{port}")
    jetstream = client.jetstream()
    await jetstream.add_stream(name="FULL", subjects=["full"])
    fill(place / "filler")
    with contextlib.suppress(nats.errors.Error):
        while True:
            await jetstream.publish("full", bytes(100_000), timeout=2)
    await client.close()


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            return


def test_a_log_that_has_no_room_never_holds_a_process_up(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path; from flowtask_local.process import Process\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "command = ['/bin/sh', '-c', 'yes | head -c 200000']\n"
        "with Process('yes', command, env={'PATH': '/usr/bin:/bin'}, log_path=Path(sys.argv[1])) as process:\n"
        "    process.start(); print(process.wait(20))\n"
        "print(len(process.log_lines))\n"
    )
    log = tmp_path / "yes.log"
    done = subprocess.run([sys.executable, "-c", script, log], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout.split(), done.stderr) == (["0", "20000"], "")
    assert log.stat().st_size == 20_000


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert space.free_bytes(tmp_path / "not" / "yet") > 0
