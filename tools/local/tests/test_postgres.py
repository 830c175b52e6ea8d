import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from flowtask_local.errors import BrokenHomeError, LocalError
from flowtask_local.ports import free_port, is_free
from flowtask_local.postgres import EmbeddedPostgres


def test_databases_are_utf8_with_the_builtin_locale(postgres_server):
    postgres_server.create_database('it\'s a "name"')
    postgres_server.create_database('it\'s a "name"')

    rows = postgres_server.sql(
        "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database WHERE datname LIKE 'it%'"
    )
    assert rows == "UTF8\tb\tC.UTF-8\n"
    assert postgres_server.sql("SELECT upper('grün'), 'Z' < 'a'", database='it\'s a "name"') == "GRÜN\tt\n"

    postgres_server.drop_database('it\'s a "name"')
    assert postgres_server.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'it%'") == "0\n"


def test_letters_of_all_scripts_can_be_searched_for(postgres_server):
    """`pg_trgm` asks LC_CTYPE what a letter is; in C only those of ASCII are."""
    postgres_server.create_database("letters")
    postgres_server.sql("CREATE EXTENSION pg_trgm", database="letters")
    known = (
        "SELECT bool_and(cardinality(show_trgm(letter)) > 0) FROM unnest(ARRAY['a', 'ë', 'п', '日', 'ש', '7']) letter"
    )
    assert postgres_server.sql(known, database="letters") == "t\n"
    postgres_server.drop_database("letters")


async def test_a_wrong_password_is_refused(postgres_server):
    connection = await asyncpg.connect(postgres_server.url())
    await connection.close()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.url(password="wrong"))


def test_what_postgresql_refuses_is_told_in_its_words(postgres_server):
    with pytest.raises(LocalError, match='relation "nothing" does not exist'):
        postgres_server.sql("SELECT * FROM nothing")


def test_it_listens_on_loopback_alone_and_never_runs_as_root(postgres_server):
    assert postgres_server.sql("SHOW listen_addresses") == "127.0.0.1\n"
    assert postgres_server.sql("SHOW unix_socket_directories") == "\n"
    owner = subprocess.run(["ps", "-o", "uid=", "-p", str(postgres_server.pid)], capture_output=True, check=True)
    assert int(owner.stdout) != 0


def test_commits_survive_a_sigkill_and_the_port_and_data_stay(tmp_path):
    with EmbeddedPostgres(tmp_path / "with spaces" / "data") as server:
        port = server.port
        server.sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")

        server.kill()
        assert not server.running
        server.start()

        assert server.port == port
        assert server.sql("SELECT count(*) FROM kept") == "1000\n"
        server.restart()
        assert server.sql("SELECT count(*) FROM kept") == "1000\n"
    assert is_free(port)


def test_data_open_again_with_their_password_on_another_port(tmp_path):
    with EmbeddedPostgres(tmp_path / "data", durable=False) as first:
        first.sql("CREATE TABLE kept (n int)")

    port = free_port()
    with EmbeddedPostgres(tmp_path / "data", port, password=first.password, durable=False) as second:
        assert second.port == port
        assert second.sql("SELECT count(*) FROM kept") == "0\n"


def test_a_pid_file_that_names_a_living_stranger_does_not_stop_a_start(tmp_path):
    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        server.kill()
        stale = tmp_path / "data" / "postmaster.pid"
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

        server.start()

        assert server.sql("SELECT 1") == "1\n"


def test_a_crash_while_the_data_are_made_heals_at_the_next_start(tmp_path):
    half = tmp_path / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        assert server.sql("SELECT 1") == "1\n"
    assert not half.exists()
    assert not (tmp_path / "data.password").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(BrokenHomeError, match="not empty"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_taken_port_is_told_with_the_servers_own_words(tmp_path, postgres_server):
    with pytest.raises(LocalError, match="Address already in use"):
        EmbeddedPostgres(tmp_path / "data", postgres_server.port, durable=False).start()


def test_no_folder_above_the_data_changes_its_mode(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o700)

    with EmbeddedPostgres(closed / "deeper" / "data", durable=False) as server:
        assert server.sql("SELECT 1") == "1\n"
    assert closed.stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root to become somebody else")
def test_a_normal_user_runs_it_as_themselves(tmp_path):
    home = tmp_path / "theirs"
    home.mkdir()
    os.chown(home, 1, 1)
    script = (
        "import os, sys; from pathlib import Path; from flowtask_local.postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1]) / 'data', durable=False) as server:\n"
        "    print(os.geteuid(), os.stat(f'/proc/{server.pid}').st_uid, server.sql('SELECT 1'))\n"
    )
    # The interpreter may lie in root's own folder: the right to read it is all that this user is given.
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    done = subprocess.run(
        ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", *reading, sys.executable, "-c", script, home],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["1", "1", "1"], done.stderr


def test_two_servers_never_share_data(tmp_path):
    with EmbeddedPostgres(tmp_path / "data", durable=False) as first:
        lock = Path(f"{first.data_dir}.lock")
        assert lock.exists()
        os.kill(first.pid, signal.SIGSTOP)
        script = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        second = subprocess.run([sys.executable, "-c", script, lock], capture_output=True, check=False)
        os.kill(first.pid, signal.SIGCONT)
        assert b"BlockingIOError" in second.stderr
