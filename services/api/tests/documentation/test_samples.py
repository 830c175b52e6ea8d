"""The samples that the webhooks page shows, run against what the dispatcher signs."""

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest

from flowtask_api.documentation.samples.verify import verify
from flowtask_api.documentation.samples.verify_body import verify_body
from flowtask_api.documentation.samples.verify_ed25519 import verify_ed25519
from flowtask_webhook_dispatcher.keyring import new_private_key, private_key_of
from flowtask_webhook_dispatcher.signing import SigningKey, signed_headers

SAMPLES = Path(str(files("flowtask_api.documentation") / "samples"))
BODY = '{"event": "task.completed", "data": {"title": "Zürich ☕"}}\n'.encode()


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


SECRET = new_secret()


def signed(secret=SECRET, body=BODY, age=0, successor=None, key=None):
    """The headers of a webhook, by lower-case name, as the dispatcher signs it."""
    key = key or SigningKey.of(secret)
    if successor is not None:
        key = key.until(datetime.now(UTC) + timedelta(hours=1), SigningKey.of(successor))
    made = signed_headers(
        key,
        event="task.completed",
        event_id=uuid4(),
        delivery_id=uuid4(),
        timestamp=int(time.time()) - age,
        body=body,
    )
    return {name.decode().lower(): value.decode() for name, value in made}


def changed(name, value):
    return {**signed(), name: value}


CASES = {
    "good": (signed, BODY, True),
    "while the secret gives way to another": (lambda: signed(successor=new_secret()), BODY, True),
    "while the secret takes the place of another": (lambda: signed(new_secret(), successor=SECRET), BODY, True),
    "while two other secrets sign": (lambda: signed(new_secret(), successor=new_secret()), BODY, False),
    "another body while the secret is changed": (lambda: signed(successor=new_secret()), BODY + b" ", False),
    "four minutes old": (lambda: signed(age=240), BODY, True),
    "another body": (signed, BODY.replace(b"completed", b"deleted"), False),
    "a newline less": (signed, BODY.rstrip(), False),
    "six minutes old": (lambda: signed(age=360), BODY, False),
    "six minutes ahead": (lambda: signed(age=-360), BODY, False),
    "another time than was signed": (lambda: changed("webhook-timestamp", str(int(time.time()) - 9)), BODY, False),
    "another id than was signed": (lambda: changed("webhook-id", str(uuid4())), BODY, False),
    "another secret": (lambda: signed(new_secret()), BODY, False),
    "no signature": (lambda: changed("webhook-signature", ""), BODY, False),
    "another version": (
        lambda: changed("webhook-signature", signed()["webhook-signature"].replace("v1,", "v2,")),
        BODY,
        False,
    ),
    "no base64": (lambda: changed("webhook-signature", "v1,%%%"), BODY, False),
}
cases = pytest.mark.parametrize("case", CASES)


@cases
def test_the_python_sample(case):
    headers, body, genuine = CASES[case]
    if genuine:
        verify(SECRET, headers(), body)
    else:
        with pytest.raises(ValueError, match=r"old|signature"):
            verify(SECRET, headers(), body)


def node():
    """Node as it is on PATH, or as playwright brings it."""
    bundled = Path(sys.prefix, "lib").glob("python3*/site-packages/playwright/driver/node")
    return shutil.which("node") or next(map(str, bundled), None)


NODE_HARNESS = """
import { verify } from "%s";
const { secret, headers, body } = JSON.parse(process.argv[2]);
try { verify(secret, headers, Buffer.from(body, "base64")); } catch (error) { console.log(error.message); process.exit(3); }
"""


@pytest.fixture(scope="module")
def node_harness(tmp_path_factory):
    program = node()
    if program is None:
        pytest.skip("there is no node here")
    harness = tmp_path_factory.mktemp("node") / "harness.mjs"
    harness.write_text(NODE_HARNESS % (SAMPLES / "verify.mjs").as_uri())
    return [program, str(harness)]


GO_HARNESS = """package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"example.com/harness/webhooks"
)

func main() {
	var given struct {
		Secret  string
		Headers map[string]string
		Body    string
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &given); err != nil {
		panic(err)
	}
	body, _ := base64.StdEncoding.DecodeString(given.Body)
	header := http.Header{}
	for name, value := range given.Headers {
		header.Set(name, value)
	}
	if err := webhooks.Verify(given.Secret, header, body); err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
}
"""


@pytest.fixture(scope="module")
def go_harness(tmp_path_factory):
    if shutil.which("go") is None:
        pytest.skip("there is no go here")
    folder = tmp_path_factory.mktemp("go")
    (folder / "webhooks").mkdir()
    (folder / "go.mod").write_text("module example.com/harness\n\ngo 1.19\n")
    (folder / "main.go").write_text(GO_HARNESS)
    shutil.copy(SAMPLES / "verify.go", folder / "webhooks" / "verify.go")
    environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", "harness", "."], cwd=folder, env=environment, check=True, timeout=200)
    return [str(folder / "harness")]


@cases
@pytest.mark.parametrize("language", ["node", "go"])
def test_the_samples_for_node_and_go(request, language, case):
    headers, body, genuine = CASES[case]
    given = json.dumps({"secret": SECRET, "headers": headers(), "body": base64.b64encode(body).decode()})
    command = request.getfixturevalue(f"{language}_harness")
    done = subprocess.run([*command, given], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (0 if genuine else 3), done.stdout + done.stderr
    assert genuine or "old" in done.stdout or "signature" in done.stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
@cases
def test_the_sample_for_the_shell(case):
    headers, body, genuine = CASES[case]
    told = headers()
    environment = {
        **os.environ,
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_ID": told["webhook-id"],
        "WEBHOOK_TIMESTAMP": told["webhook-timestamp"],
        "WEBHOOK_SIGNATURE": told["webhook-signature"],
    }
    done = subprocess.run(
        ["sh", SAMPLES / "verify.sh"], input=body, env=environment, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == (0 if genuine else 1), done.stderr
    assert genuine or b"old" in done.stderr or b"signature" in done.stderr


@pytest.mark.parametrize("timestamp", ["", "x", "-1", "1e9", "a[$(touch pwned)]", "99999999999999999999"])
def test_the_sample_for_the_shell_refuses_a_time_that_is_none(timestamp, tmp_path):
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "WEBHOOK_ID": "1", "WEBHOOK_SIGNATURE": "v1,x"}
    done = subprocess.run(
        ["sh", SAMPLES / "verify.sh"],
        input=b"",
        env={**environment, "WEBHOOK_TIMESTAMP": timestamp},
        capture_output=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, b"no timestamp\n")
    assert not list(tmp_path.iterdir())


OLD_KEY, NEW_KEY = private_key_of(new_private_key()), private_key_of(new_private_key())


def by_ed25519(private=NEW_KEY, successor=None, **more):
    """The headers of a webhook that is signed by Ed25519 beside the secret."""
    key = SigningKey.of(new_secret(), private)
    if successor is not None:
        key = key.until(datetime.now(UTC) + timedelta(hours=1), SigningKey.of(new_secret(), successor))
    return lambda: signed(key=key, **more)


def without(version):
    """Signatures of one kind alone."""

    def headers():
        made = by_ed25519()()
        kept = [each for each in made["webhook-signature"].split() if not each.startswith(f"{version},")]
        return {**made, "webhook-signature": " ".join(kept)}

    return headers


ASYMMETRIC = {
    "good": (by_ed25519(), BODY, True),
    "without the other signature": (without("v1"), BODY, True),
    "while the key gives way to another": (by_ed25519(successor=OLD_KEY), BODY, True),
    "while the key takes the place of another": (by_ed25519(OLD_KEY, successor=NEW_KEY), BODY, True),
    "another key": (by_ed25519(OLD_KEY), BODY, False),
    "signed by a secret alone": (without("v1a"), BODY, False),
    "another body": (by_ed25519(), BODY + b" ", False),
    "six minutes old": (by_ed25519(age=360), BODY, False),
    "no base64": (lambda: {**by_ed25519()(), "webhook-signature": "v1a,%%% v1a"}, BODY, False),
}
asymmetric = pytest.mark.parametrize("case", ASYMMETRIC)


@asymmetric
def test_the_python_sample_for_ed25519(case):
    headers, body, genuine = ASYMMETRIC[case]
    raw = NEW_KEY.public_key().public_bytes_raw()
    keys = ["whpk_" + base64.b64encode(bytes(32)).decode(), "whpk_" + base64.b64encode(raw).decode()]
    if genuine:
        verify_ed25519(keys, headers(), body)
    else:
        with pytest.raises(ValueError, match=r"old|signature"):
            verify_ed25519(keys, headers(), body)


@asymmetric
def test_the_node_sample_for_ed25519(node_harness, case, tmp_path):
    headers, body, genuine = ASYMMETRIC[case]
    harness = tmp_path / "harness.mjs"
    harness.write_text(NODE_HARNESS % (SAMPLES / "verify_ed25519.mjs").as_uri())
    x = base64.urlsafe_b64encode(NEW_KEY.public_key().public_bytes_raw()).rstrip(b"=").decode()
    keys = [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k", "use": "sig"}]
    given = json.dumps({"secret": keys, "headers": headers(), "body": base64.b64encode(body).decode()})
    done = subprocess.run([node_harness[0], harness, given], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (0 if genuine else 3), done.stdout + done.stderr
    assert genuine or "old" in done.stdout or "signature" in done.stdout


def test_whoever_knows_the_secret_alone_need_not_know_of_ed25519():
    key = SigningKey.of(SECRET, NEW_KEY)
    verify(SECRET, signed(key=key), BODY)


def test_the_sample_for_the_signature_of_the_body_while_the_secret_is_changed():
    old, new = SECRET, new_secret()
    headers = signed(old, successor=new)
    verify_body(old, headers["x-flowtask-signature"], BODY)
    verify_body(new, headers["x-flowtask-signature-next"], BODY)
    with pytest.raises(ValueError, match="does not match"):
        verify_body(new, headers["x-flowtask-signature"], BODY)


def test_the_sample_for_the_signature_of_the_body():
    signature = signed()["x-flowtask-signature"]
    verify_body(SECRET, signature, BODY)
    for given, body in ((signature, BODY + b" "), (signature[:-1], BODY), ("", BODY), ("sha256=é", BODY)):
        with pytest.raises(ValueError, match="does not match"):
            verify_body(SECRET, given, body)
