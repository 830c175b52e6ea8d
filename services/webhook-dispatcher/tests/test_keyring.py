import base64
import hashlib
from uuid import uuid4

import pytest

from flowtask_webhook_dispatcher.keyring import CannotDecrypt, InvalidKeyRing, KeyRing, new_secret

OLD = base64.b64encode(hashlib.sha256(b"old").digest()).decode()
NEW = base64.b64encode(hashlib.sha256(b"new").digest()).decode()


def test_what_was_encrypted_for_an_endpoint_is_decrypted_for_it():
    ring, endpoint, secret = KeyRing.parse(f"a:{OLD}"), uuid4(), new_secret()
    stored = ring.encrypt(endpoint, secret)
    assert ring.decrypt(endpoint, stored) == secret
    assert secret.encode() not in stored


def test_the_same_secret_is_never_stored_as_the_same_bytes():
    ring, endpoint = KeyRing.parse(f"a:{OLD}"), uuid4()
    assert ring.encrypt(endpoint, "s") != ring.encrypt(endpoint, "s")


def test_a_secret_moved_to_another_row_does_not_open():
    ring = KeyRing.parse(f"a:{OLD}")
    with pytest.raises(CannotDecrypt):
        ring.decrypt(uuid4(), ring.encrypt(uuid4(), "s"))


def test_after_rotation_the_first_key_encrypts_and_the_older_still_decrypts():
    endpoint = uuid4()
    before, after = KeyRing.parse(f"old:{OLD}"), KeyRing.parse(f"new:{NEW}, old:{OLD}")
    assert after.decrypt(endpoint, before.encrypt(endpoint, "s")) == "s"
    with pytest.raises(CannotDecrypt):
        before.decrypt(endpoint, after.encrypt(endpoint, "s"))


def test_a_key_of_the_same_name_with_other_bytes_does_not_open():
    endpoint = uuid4()
    with pytest.raises(CannotDecrypt):
        KeyRing.parse(f"a:{NEW}").decrypt(endpoint, KeyRing.parse(f"a:{OLD}").encrypt(endpoint, "s"))


def test_every_shortened_or_altered_ciphertext_is_refused_in_one_way():
    ring, endpoint = KeyRing.parse(f"a:{OLD}"), uuid4()
    stored = ring.encrypt(endpoint, new_secret())
    for length in range(len(stored)):
        with pytest.raises(CannotDecrypt):
            ring.decrypt(endpoint, stored[:length])
    for place in range(len(stored)):
        altered = bytearray(stored)
        altered[place] ^= 1
        with pytest.raises(CannotDecrypt):
            ring.decrypt(endpoint, bytes(altered))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        OLD,
        f":{OLD}",
        "a:",
        "a:not base64",
        f"a:{base64.b64encode(b'short').decode()}",
        f"a:{OLD},a:{NEW}",
        f"ä:{OLD}",
        f"{'x' * 256}:{OLD}",
        f"a:{OLD},b",
    ],
)
def test_a_malformed_ring_is_refused_without_repeating_its_keys(text):
    with pytest.raises(InvalidKeyRing) as refusal:
        KeyRing.parse(text)
    for piece in text.replace(",", ":").split(":"):
        assert len(piece) < 3 or piece not in str(refusal.value)


def test_what_cannot_be_decrypted_is_said_without_key_or_secret():
    ring, secret = KeyRing.parse(f"a:{OLD}"), new_secret()
    stored = ring.encrypt(uuid4(), secret)
    with pytest.raises(CannotDecrypt) as refusal:
        ring.decrypt(uuid4(), stored)
    assert secret not in str(refusal.value)
    assert OLD not in str(refusal.value)
    assert OLD not in repr(ring)
