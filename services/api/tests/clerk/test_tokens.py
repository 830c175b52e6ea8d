"""Which tokens are believed."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from flowtask_api.clerk.claims import Rules
from flowtask_api.clerk.errors import InvalidToken, TokenExpired
from flowtask_api.clerk.verifier import Verifier
from flowtask_contracts.resources import Role
from flowtask_local.providers.clerk import SigningKey


def encoded(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(key, header, payload):
    """A token with exactly these parts and a true signature."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(RSAAlgorithm(RSAAlgorithm.SHA256).sign(text.encode(), key.private))}"


def headed(clerk, **header):
    """A good token but for its header, over which the signature goes."""
    parts = {"alg": "RS256", "typ": "JWT", "kid": clerk.key.key_id, **header}
    parts = {name: value for name, value in parts.items() if value is not ...}
    return signed(clerk.key, parts, clerk.claims(clerk.user()))


def with_payload(clerk, payload):
    return signed(clerk.key, {"alg": "RS256", "typ": "JWT", "kid": clerk.key.key_id}, payload)


def claiming(clerk, **claims):
    return clerk.token(clerk.user(), claims=claims)


def lacking(clerk, *names):
    return clerk.token(clerk.user(), without=names)


def public_pem(key):
    return key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def with_public_key_as_secret(clerk):
    """HS256 under the public key, which a verifier that believes the header would take for a shared secret."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': clerk.key.key_id})}.{encoded(clerk.claims(clerk.user()))}"
    return f"{text}.{encoded(hmac.new(public_pem(clerk.key), text.encode(), hashlib.sha256).digest())}"


def of_another_key(clerk, **header):
    """Signed by a key of the attacker's, which the header brings or points to, under the id of a true one."""
    forger = OTHER_KEY
    return jwt.encode(
        clerk.claims(clerk.user()),
        forger.private,
        algorithm="RS256",
        headers={"kid": clerk.key.key_id, **header},
    )


OTHER_KEY = SigningKey.new()
EC_KEY = ec.generate_private_key(ec.SECP256R1())

HOSTILE = {
    "alg-none": lambda c: (
        f"{encoded({'alg': 'none', 'typ': 'JWT', 'kid': c.key.key_id})}.{encoded(c.claims(c.user()))}."
    ),
    "alg-none-with-signature": lambda c: headed(c, alg="none"),
    "alg-none-in-odd-case": lambda c: headed(c, alg="nOnE"),
    "alg-hs256-under-the-public-key": with_public_key_as_secret,
    "alg-rs512": lambda c: headed(c, alg="RS512"),
    "alg-ps256": lambda c: headed(c, alg="PS256"),
    "alg-es256": lambda c: jwt.encode(c.claims(c.user()), EC_KEY, algorithm="ES256", headers={"kid": c.key.key_id}),
    "alg-missing": lambda c: headed(c, alg=...),
    "alg-a-number": lambda c: headed(c, alg=256),
    "alg-a-list": lambda c: headed(c, alg=["RS256"]),
    "kid-missing": lambda c: headed(c, kid=...),
    "kid-null": lambda c: headed(c, kid=None),
    "kid-empty": lambda c: headed(c, kid=""),
    "kid-a-number": lambda c: headed(c, kid=1),
    "kid-a-list": lambda c: headed(c, kid=[c.key.key_id]),
    "kid-an-object": lambda c: headed(c, kid={"a": 1}),
    "kid-a-path": lambda c: headed(c, kid="../../../../etc/passwd"),
    "kid-a-url": lambda c: headed(c, kid="http://127.0.0.1/keys.json"),
    "kid-sql": lambda c: headed(c, kid="x' UNION SELECT 'key"),
    "kid-with-nul": lambda c: headed(c, kid=c.key.key_id + "\x00"),
    "kid-with-newline": lambda c: headed(c, kid=c.key.key_id + "\n"),
    "kid-very-long": lambda c: headed(c, kid="k" * 4000),
    "kid-unknown": lambda c: headed(c, kid="ins_unknown"),
    "typ-of-an-oauth-access-token": lambda c: headed(c, typ="at+jwt"),
    "crit": lambda c: headed(c, crit=["exp"]),
    "b64-false": lambda c: headed(c, b64=False),
    "signed-by-another-key": of_another_key,
    "jwk-brought-along": lambda c: of_another_key(c, jwk=OTHER_KEY.jwk),
    "jku-to-elsewhere": lambda c: of_another_key(c, jku="http://127.0.0.1:9/keys.json"),
    "x5u-to-elsewhere": lambda c: of_another_key(c, x5u="http://127.0.0.1:9/cert.pem"),
    "x5c-brought-along": lambda c: of_another_key(c, x5c=["MIIB"]),
    "iss-of-another": lambda c: claiming(c, iss="https://clerk.evil.example"),
    "iss-with-slash": lambda c: claiming(c, iss=c.issuer + "/"),
    "iss-missing": lambda c: lacking(c, "iss"),
    "iss-a-list": lambda c: claiming(c, iss=[c.issuer]),
    "azp-of-another": lambda c: claiming(c, azp="http://localhost:3001"),
    "azp-a-part": lambda c: claiming(c, azp="http://localhost:300"),
    "azp-missing": lambda c: lacking(c, "azp"),
    "azp-null": lambda c: claiming(c, azp=None),
    "azp-a-list": lambda c: claiming(c, azp=["http://localhost:3000"]),
    "aud-of-another": lambda c: claiming(c, aud="https://elsewhere.example"),
    "session-pending": lambda c: claiming(c, sts="pending"),
    "sub-missing": lambda c: lacking(c, "sub"),
    "sub-empty": lambda c: claiming(c, sub=""),
    "sub-a-number": lambda c: claiming(c, sub=5),
    "sub-of-a-machine": lambda c: claiming(c, sub="mch_2abc"),
    "sub-with-nul": lambda c: claiming(c, sub="user_a\x00"),
    "sub-with-newline": lambda c: claiming(c, sub="user_a\n"),
    "exp-missing": lambda c: lacking(c, "exp"),
    "exp-null": lambda c: claiming(c, exp=None),
    "exp-text": lambda c: claiming(c, exp=str(int(time.time()) + 60)),
    "exp-true": lambda c: claiming(c, exp=True),
    "exp-never": lambda c: claiming(c, exp=10**18),
    "exp-negative": lambda c: claiming(c, exp=-1),
    "exp-infinite": lambda c: with_payload(
        c, json.dumps({**c.claims(c.user()), "exp": 1}).replace('"exp": 1', '"exp": Infinity').encode()
    ),
    "nbf-to-come": lambda c: claiming(c, nbf=time.time() + 30),
    "iat-to-come": lambda c: claiming(c, iat=time.time() + 30),
    "iat-text": lambda c: claiming(c, iat="now"),
    "org-id-odd": lambda c: claiming(c, o={"id": "org_a' --", "rol": "admin"}),
    "org-id-missing": lambda c: claiming(c, o={"rol": "admin"}),
    "org-a-list": lambda c: claiming(c, o=["org_1"]),
    "claims-a-list": lambda c: with_payload(c, [1]),
    "claims-a-text": lambda c: with_payload(c, "claims"),
    "claims-null": lambda c: with_payload(c, None),
    "claims-no-json": lambda c: with_payload(c, b"\xff\xfe{"),
    "claims-empty": lambda c: with_payload(c, b"{}"),
    "claims-nested-without-end": lambda c: with_payload(c, b"[" * 4000),
    "header-a-list": lambda c: f"{encoded([1])}.{encoded(c.claims(c.user()))}.{encoded(b'x')}",
    "header-no-json": lambda c: f"{encoded(b'nothing')}.{encoded(c.claims(c.user()))}.{encoded(b'x')}",
    "header-nested-without-end": lambda _: f"{encoded(b'[' * 5000)}.{encoded(b'{}')}.{encoded(b'x')}",
    "truncated-signature": lambda c: c.token(c.user())[:-20],
    "truncated-claims": lambda c: ".".join(c.token(c.user()).split(".")[:2]),
    "signature-of-nothing": lambda c: c.token(c.user()).rsplit(".", 1)[0] + ".AAAA",
    "claims-exchanged": lambda c: ".".join(
        [c.token(c.user()).split(".")[0], encoded(c.claims(c.user())), c.token(c.user()).split(".")[2]]
    ),
    "hundred-kilobytes": lambda c: claiming(c, filler="a" * 100_000),
    "four-parts": lambda c: c.token(c.user()) + ".AAAA",
    "encrypted-five-parts": lambda _: "eyJhbGciOiJSU0EtT0FFUCJ9.AA.AA.AA.AA",
    "only-dots": lambda _: "..",
    "no-token": lambda _: "secret",
    "spaces-inside": lambda c: c.token(c.user()).replace(".", " .", 1),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_proves_nothing(verifier, clerk, name):
    with pytest.raises(InvalidToken):
        await verifier.session(HOSTILE[name](clerk))

    assert (await verifier.session(clerk.token(clerk.user()))).name == "New user"


async def test_an_api_answers_every_hostile_token_with_401(stranger, clerk):
    for name, make in HOSTILE.items():
        answer = await stranger.get("/api/v1/me", headers={"authorization": f"Bearer {make(clerk)}"})
        assert answer.status_code == 401, name
        assert answer.json()["error"]["code"] == "UNAUTHORIZED"
        assert answer.json()["error"]["message"] == "Invalid token", name
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_an_expired_token_says_so_that_a_frontend_gets_a_new_one(stranger, clerk):
    answer = await stranger.get(
        "/api/v1/me", headers={"authorization": f"Bearer {clerk.token(clerk.user(), issued=-70)}"}
    )

    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The token has expired. Get a new one and try again."
    assert (
        answer.headers["www-authenticate"] == 'Bearer error="invalid_token", error_description="The token has expired"'
    )


async def test_without_a_token_there_is_nothing_to_be_invalid(stranger):
    for header in ({}, {"authorization": "Bearer "}, {"authorization": "Basic eyJ.eyJ.eyJ"}):
        answer = await stranger.get("/api/v1/me", headers=header)
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("issued", "expired"), [(-59, False), (-63, False), (-66, True), (-3600, True)], ids=["59s", "63s", "66s", "1h"]
)
async def test_clocks_may_differ_by_five_seconds(verifier, clerk, issued, expired):
    token = clerk.token(clerk.user(), issued=issued)
    if expired:
        with pytest.raises(TokenExpired):
            await verifier.session(token)
    else:
        await verifier.session(token)


async def test_a_remembered_token_expires_all_the_same(clerk, keys, clock):
    clock.now = time.time()
    verifier = Verifier(keys, Rules(clerk.issuer, frozenset()), clock=clock)
    token = clerk.token(clerk.user(), issued=-50)
    first = await verifier.session(token)
    assert await verifier.session(token) is first

    clock.now += 20

    with pytest.raises(TokenExpired):
        await verifier.session(token)


async def test_a_token_that_lives_long_is_verified_anew_after_a_minute(clerk, keys, clock):
    clock.now = time.time()
    verifier = Verifier(keys, Rules(clerk.issuer, frozenset()), clock=clock)
    token = clerk.token(clerk.user(), claims={"exp": int(clock.now) + 86_400})
    first = await verifier.session(token)

    clock.now += 59
    assert await verifier.session(token) is first
    clerk.rotate()
    clock.now += 7_200  # the old key is known for an hour, and then it is no longer Clerk's

    await verifier.session(clerk.token(clerk.user(), issued=7_259))
    with pytest.raises(InvalidToken):
        await verifier.session(token)


async def test_without_named_origins_every_one_counts(clerk, keys):
    verifier = Verifier(keys, Rules(clerk.issuer, frozenset()))
    for token in (clerk.token(clerk.user(), claims={"azp": "https://a.example"}), lacking(clerk, "azp")):
        await verifier.session(token)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("role", "ours"),
    [("org:admin", "admin"), ("admin", "admin"), ("org:member", "member"), ("org:billing", "member"), ("", "member")],
)
async def test_both_versions_tell_the_organization(verifier, clerk, version, role, ours):
    acme = clerk.organization("acme")
    session = await verifier.session(clerk.token(clerk.user(), acme, role=role, version=version))

    assert session.organization is not None
    assert (session.organization.clerk_id, session.organization.name, session.organization.role) == (
        acme.id,
        "acme",
        Role(ours),
    )


async def test_a_version_2_token_has_its_organization_in_one_place_only(verifier, clerk):
    session = await verifier.session(claiming(clerk, org_id="org_1", org_role="org:admin"))
    assert session.organization is None


@pytest.mark.parametrize(
    ("claims", "name", "email", "verified"),
    [
        ({}, "New user", None, False),
        ({"firstName": "Ada", "lastName": "Lovelace"}, "Ada Lovelace", None, False),
        ({"firstName": None, "lastName": "Lovelace"}, "Lovelace", None, False),
        ({"firstName": " A\x00d\na ", "lastName": 5}, "A d a", None, False),
        ({"firstName": "a" * 300}, "a" * 200, None, False),
        ({"email": "Ada@Example.com"}, "ada", "ada@example.com", False),
        ({"email": "ada@example.com", "emailVerified": True}, "ada", "ada@example.com", True),
        ({"email": "ada@example.com", "email_verified": True}, "ada", "ada@example.com", True),
        ({"email": "ada@example.com", "emailVerified": False}, "New user", None, False),
        ({"email": "ada@example.com", "emailVerified": "true"}, "ada", "ada@example.com", False),
        ({"email": None, "emailVerified": True}, "New user", None, False),
        ({"email": "no address"}, "New user", None, False),
        ({"email": "ada@exämple.com"}, "New user", None, False),
        ({"email": ["ada@example.com"]}, "New user", None, False),
        ({"email": "a" * 70 + "@example.com"}, "New user", None, False),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else "",
)
async def test_what_a_template_adds_is_read_with_care(verifier, clerk, claims, name, email, verified):
    session = await verifier.session(claiming(clerk, **claims))
    assert (session.name, session.email, session.email_verified) == (name, email, verified)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["iss", "sub", "exp", "iat", "nbf", "azp", "aud", "sts", "v", "o", "org_id", "org_role", "email", "emailVerified"]
)
_PART = st.text(alphabet="ABCeyJ0_-", min_size=1, max_size=30)


@given(
    token=st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
    | st.builds("{}.{}.{}".format, _PART, _PART, _PART)
)
def test_any_text_is_refused_and_nothing_else_happens(token):
    rules = Rules("https://clerk.example", frozenset())
    with pytest.raises(InvalidToken):
        finish(Verifier(NoKeys(), rules).session(token))


@given(claims=_JSON | st.dictionaries(_NAMES | st.text(), _JSON))
def test_any_claims_are_refused_or_are_a_session(claims):
    rules = Rules("https://clerk.example", frozenset())
    good = {"iss": "https://clerk.example", "sub": "user_1", "exp": 2_000_000_000}
    for given_claims in (claims, {**good, **claims} if isinstance(claims, dict) else claims):
        try:
            session = rules.session(given_claims, 1_900_000_000.0)
        except (InvalidToken, TokenExpired):
            continue
        assert session.clerk_id.startswith("user_")


class NoKeys:
    async def key(self, key_id):
        assert isinstance(key_id, str)
        raise InvalidToken


def finish(coroutine):
    """Run what never waits."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value
