"""`flowtask doctor`: what it finds, what it says to do, and that it leaves everything as it was."""

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_local.doctor import folder, machine, programs, services
from flowtask_local.doctor.finding import Status
from flowtask_local.home import Home
from flowtask_local.stack import Stack

NAMES = ["Python", "platform", "open files", "clock", "locale", "proxies", "packages", "PostgreSQL", "NATS", "folder"]
NAMES += ["locks and fsync", "file system", "disk", "held by", "leftovers", "data", "ports", ".env"]


def run(home, *flags, cwd=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "flowtask_local.main", "doctor", "--home", home, *flags],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def told(done):
    """The checks of `--json` by name; it always parses, and says itself what the exit code says."""
    answer = json.loads(done.stdout)
    assert done.stderr == ""
    assert answer["ok"] == (done.returncode == 0)
    assert {tuple(check) for check in answer["checks"]} == {("name", "status", "found", "advice")}
    for check in answer["checks"]:
        assert check["status"] in {"ok", "warning", "problem"}
        assert bool(check["advice"]) == (check["status"] != "ok"), check
    return {check["name"]: check for check in answer["checks"]}


def everything_in(folder):
    return {path: path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_before_anything_was_started_it_looks_and_makes_nothing(tmp_path):
    (tmp_path / ".env").write_text("STRIPE_SECRET_KEY=sk_never_shown\nexport MY_KEY='mine_never_shown'\nEMPTY=\n")
    before = everything_in(tmp_path)
    done = run(tmp_path / "deep" / "home", "--json", cwd=tmp_path)
    checks = told(done)

    assert done.returncode == 0, done.stdout
    assert set(NAMES) <= set(checks)
    assert "18" in checks["PostgreSQL"]["found"]
    assert "not made yet" in checks["folder"]["found"]
    assert checks[".env"]["status"] == "warning"
    assert checks[".env"]["found"] == "read: STRIPE_SECRET_KEY; not known: MY_KEY"
    assert "never_shown" not in done.stdout
    assert everything_in(tmp_path) == before


def test_it_says_what_is_wrong_and_what_to_do_and_ends_with_1(tmp_path, made_home):
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", made_home, home], check=True)
    (home / "secrets.json").write_text("{")
    (home / ".ports.json.abcdefgh").touch()
    before = everything_in(home)
    done = run(home)

    assert done.returncode == 1
    rows = done.stdout.splitlines()
    (number,) = [number for number, row in enumerate(rows) if row.startswith("  problem")]
    assert rows[number].split() == ["problem", "data", "they", "do", "not", "fit", "together"]
    assert "Put it back from a copy" in rows[number + 1]
    assert "of a crash; the next start clears them away" in done.stdout
    assert rows[-1] == "1 thing keeps `flowtask up` from working."
    assert everything_in(home) == before


def test_while_flowtask_runs_it_tells_the_state_of_each_service(tmp_path, made_home, bin_dir):
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", made_home, home], check=True)
    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.up()
        assert told(run(home, "--json"))["FlowTask"]["found"] == "is starting or ending"
        services_told = {process.name: {"url": process.url, "pid": process.pid} for process in stack.processes}
        nats = {"port": stack.nats.port, "monitorPort": stack.nats.monitor_port}
        local = {"apiUrl": "x", "apiKey": "ft_never_shown", "workspaceId": "x", "pid": os.getpid()}
        (home / "local.json").write_text(json.dumps({**local, "services": services_told, "nats": nats}))
        done = run(home, "--json")
        well = told(done)
        stack.service("api").kill()
        ill = told(run(home, "--json"))
        assert stack.postgres.sql("SELECT 1") == "1\n"

    assert {well[name]["status"] for name in ("api", "webhook-dispatcher", "NATS", "ports", "held by")} == {"ok"}
    assert well["held by"]["found"].startswith(f"process {os.getpid()} since 20")
    assert ill["api"]["status"] == "warning"
    assert "does not answer" in ill["api"]["found"]
    assert ill["webhook-dispatcher"]["status"] == "ok"
    secrets = [value for value in json.loads((home / "secrets.json").read_text()).values() if isinstance(value, str)]
    assert all(secret not in done.stdout for secret in [*secrets, "never_shown"])


def test_a_leftover_is_named_and_counts(tmp_path):
    home = Home(tmp_path / "home")
    home.hold()
    home.release()
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, home.lock("nats")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as leftover:
        leftover.stdout.readline()
        found = {one.name: one for one in folder.everything(home)}["leftovers"]

    assert found.status is Status.PROBLEM
    assert "nats of an earlier start still runs" in found.advice


def test_a_taken_port_is_a_warning_for_another_is_taken(tmp_path):
    home = Home(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.ports_file.write_text(json.dumps({"api": port}))
        found = services.ports(home)

    assert found.status is Status.WARNING
    assert f"{port} (api)" in found.found


@pytest.mark.parametrize(
    ("system", "arch", "libc", "status"),
    [
        ("Linux", "x86_64", ("glibc", "2.28"), "ok"),
        ("Linux", "aarch64", ("glibc", "2.41"), "ok"),
        ("Darwin", "arm64", ("", ""), "ok"),
        ("Linux", "x86_64", ("glibc", "2.17"), "problem"),
        ("Linux", "x86_64", ("", ""), "problem"),
        ("Linux", "riscv64", ("glibc", "2.41"), "problem"),
        ("Windows", "AMD64", ("", ""), "problem"),
    ],
)
def test_platforms_without_wheels_are_told_the_way_out(system, arch, libc, status):
    found = machine.wheels(system, arch, libc)

    assert found.status == status
    assert status == "ok" or "docs/local.md" in found.advice


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({}, "ok"),
        ({"HTTPS_PROXY": "http://user:never_shown@proxy"}, "ok"),
        ({"http_proxy": "http://user:never_shown@proxy"}, "warning"),
        ({"ALL_PROXY": "socks5://never_shown", "NO_PROXY": "example.com"}, "warning"),
        ({"http_proxy": "http://never_shown", "no_proxy": "example.com, 127.0.0.1"}, "ok"),
        ({"http_proxy": "http://never_shown", "NO_PROXY": "*"}, "ok"),
    ],
)
def test_proxies_that_would_catch_calls_to_this_machine_are_named_without_their_address(environment, status):
    found = machine.proxies(environment)

    assert found.status == status
    assert "never_shown" not in found.found + found.advice


def test_memory_is_counted_under_the_limit_of_a_container(tmp_path):
    meminfo = tmp_path / "meminfo"
    assert machine.free_memory(meminfo, tmp_path) is None
    meminfo.write_text("MemTotal:  2048 kB\nMemAvailable:    1024 kB\n")
    assert machine.free_memory(meminfo, tmp_path) == 1024 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5000\n")
    assert machine.free_memory(meminfo, tmp_path) == 1024 * 1024
    (tmp_path / "memory.max").write_text("6000\n")
    assert machine.free_memory(meminfo, tmp_path) == 1000


def test_a_low_limit_of_open_files_is_told_with_what_to_type(tmp_path):
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    check = told(run(tmp_path / "home", "--json", preexec_fn=low))["open files"]

    assert (check["status"], check["found"]) == ("warning", "256 for each process")
    assert "ulimit -n 4096" in check["advice"]


def test_a_clock_far_behind_is_told_of():
    assert machine.clock(0.0).status is Status.WARNING
    assert machine.clock(4e9).status is Status.OK


@pytest.mark.parametrize(("free", "status"), [(10 * 2**20, "problem"), (500 * 2**20, "warning"), (2**40, "ok")])
def test_little_room_is_a_problem_or_a_warning(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(folder, "free_bytes", lambda _: free)

    assert {one.name: one.status for one in folder.everything(Home(tmp_path / "home"))}["disk"] == status


def test_kinds_of_file_systems_are_read_as_linux_and_macos_tell_them():
    linux = (
        "22 1 0:1 / / rw - ext4 /dev/vda rw\n"
        "23 22 0:2 / /mnt/a\\040b rw,relatime shared:1 - nfs4 host:/x rw\n"
        "24 22 0:3 / /mnt/a rw - tmpfs none rw\n"
    )
    mac = "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n//u@host/share on /Volumes/a b (smbfs, nodev)\n"

    assert folder.kind_of(Path("/mnt/a b/home"), linux) == "nfs4"
    assert folder.kind_of(Path("/mnt/a"), linux) == "tmpfs"
    assert folder.kind_of(Path("/home"), linux) == "ext4"
    assert folder.kind_of(Path("/Volumes/a b"), mac) == "smbfs"
    assert folder.kind_of(Path("/Users"), mac) == "apfs"
    assert folder.kind_of(Path("/home"), folder.mounts()) != ""


def test_a_synchronised_folder_is_warned_of(tmp_path):
    home = Home(tmp_path / "Dropbox" / "flowtask")

    assert {one.name: one.status for one in folder.everything(home)}["file system"] == "warning"


def test_a_home_that_is_a_file_is_a_problem_with_its_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "home"):
        check = told(run(place, "--json"))["folder"]
        assert check["status"] == "problem"
        assert "--home" in check["advice"]


def test_packages_other_than_those_of_the_lock_file_are_named(tmp_path, monkeypatch):
    lock = tmp_path / "uv.lock"
    monkeypatch.setattr(programs, "_LOCK", lock)
    assert programs.packages() is None
    lock.write_text('[[package]]\nname = "rich"\nversion = "0.0.1"\n\n[[package]]\nname = "unknown"\nversion = "1"\n')

    found = programs.packages()
    assert (found.status, found.found) == (Status.WARNING, "other than in uv.lock: rich")


def test_an_env_file_that_is_no_text_is_one_sentence(tmp_path):
    (tmp_path / ".env").write_bytes(b"STRIPE_SECRET_KEY=\xff\xfe\n")

    check = told(run(tmp_path / "home", "--json", cwd=tmp_path))[".env"]
    assert check["status"] == "warning"
    assert "not text in UTF-8" in check["found"]
