"""What Clerk writes into session tokens: the only place that knows it.

Claims of versions 1 and 2: https://clerk.com/docs/guides/sessions/session-tokens. What a JWT template may add, by the
names that FlowTask documents: email, emailVerified, firstName, lastName.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from flowtask_contracts.resources import Role

from .errors import InvalidToken, TokenExpired

LEEWAY_SECONDS = 5
"""How far clocks may differ; what Clerk itself allows by default."""

_ADMIN = frozenset({"admin", "org:admin"})
_COMPACT = 2
"""The version whose organization is `o`."""

_LAST = 4_102_444_800
"""The year 2100: a time after it is no time of a session."""

_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NAME_LENGTH = 200


def _text(value: object) -> str | None:
    """A template's value as a line of text; None for what is none, as the `null` of a person without it."""
    if not isinstance(value, str):
        return None
    return _NOT_PRINTED.sub(" ", value).strip()[:_NAME_LENGTH].strip() or None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Time = Annotated[float, Field(ge=0, le=_LAST)]
Line = Annotated[str | None, BeforeValidator(_text)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]


@dataclass(frozen=True, slots=True)
class Organization:
    """The organization that a person acts in, and what they are there: admin or member."""

    clerk_id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """What a token has proved. `email` is an address that nobody says is unproven; `email_verified` that Clerk vouches for it."""

    clerk_id: str
    name: str
    email: str | None
    email_verified: bool
    organization: Organization | None
    issued_at: datetime
    expires_at: float

    @property
    def holder(self) -> str:
        """The window in which the person's requests count, whatever token carries them."""
        return f"person:{self.clerk_id}"

    def check_time(self, now: float) -> None:
        """TokenExpired once it is over, by more than clocks may differ."""
        if self.expires_at + LEEWAY_SECONDS <= now:
            raise TokenExpired(self.holder)


class _Claims(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Compact(_Claims):
    """The organization in version 2."""

    id: Identifier
    rol: str | None = None
    slg: Line = None


class _Token(_Claims):
    """The claims that FlowTask reads. Of every kind of subject only people's ids begin with `user_`."""

    iss: str
    sub: Annotated[str, StringConstraints(pattern=r"^user_[A-Za-z0-9_-]{1,128}$")]
    exp: Time
    iat: Time = 0
    nbf: Time = 0
    azp: str | None = None
    aud: None = None
    sts: str | None = None
    v: Any = None
    o: _Compact | None = None
    org_id: Identifier | None = None
    org_role: str | None = None
    org_slug: Line = None
    email: Line = None
    email_verified: Annotated[Flag, Field(validation_alias=AliasChoices("emailVerified", "email_verified"))] = None
    first_name: Annotated[Line, Field(alias="firstName")] = None
    last_name: Annotated[Line, Field(alias="lastName")] = None

    @property
    def organization(self) -> Organization | None:
        """The active organization, if there is one."""
        if self.o is not None:
            return self._organization(self.o.id, self.o.slg, self.o.rol)
        if self.org_id is not None and self.v != _COMPACT:
            return self._organization(self.org_id, self.org_slug, self.org_role)
        return None

    def _organization(self, clerk_id: str, slug: str | None, role: str | None) -> Organization:
        return Organization(clerk_id, slug or clerk_id, Role.ADMIN if role in _ADMIN else Role.MEMBER)

    @property
    def address(self) -> str | None:
        """The person's address in lower case, unless Clerk says that it is unproven."""
        email = (self.email or "").lower()
        return email if self.email_verified is not False and _EMAIL.fullmatch(email) else None

    @property
    def name(self) -> str:
        """What to call the person: the names, else what stands before the @."""
        names = " ".join(part for part in (self.first_name, self.last_name) if part)[:_NAME_LENGTH]
        return names or (self.address or "New user").partition("@")[0]


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose tokens count: one issuer's, asked for by one of these origins, or by any where none is named."""

    issuer: str
    authorized_parties: frozenset[str]

    def session(self, claims: Any, now: float) -> Session:
        """The session that the claims of a token with a good signature tell of; InvalidToken or TokenExpired."""
        try:
            token = _Token.model_validate(claims)
        except ValidationError:
            raise InvalidToken from None
        if token.iss != self.issuer or token.sts == "pending":
            raise InvalidToken
        if self.authorized_parties and token.azp not in self.authorized_parties:
            raise InvalidToken
        if max(token.iat, token.nbf) - LEEWAY_SECONDS > now:
            raise InvalidToken
        session = _session(token)
        session.check_time(now)
        return session


def _session(token: _Token) -> Session:
    return Session(
        clerk_id=token.sub,
        name=token.name,
        email=token.address,
        email_verified=token.address is not None and token.email_verified is True,
        organization=token.organization,
        issued_at=datetime.fromtimestamp(token.iat, UTC),
        expires_at=token.exp,
    )


class Header(BaseModel):
    """The header of a session token: RS256 and nothing else, and a key id. Keys that it brings or points to are not looked at."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    alg: Annotated[str, StringConstraints(pattern=r"^RS256$")]
    kid: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
    typ: Annotated[str | None, StringConstraints(pattern=r"^[Jj][Ww][Tt]$")] = None
    crit: None = None

    @classmethod
    def of(cls, header: Any) -> Self:
        """The header, or InvalidToken; another `typ` is another kind of token, as Clerk's OAuth access tokens are."""
        try:
            return cls.model_validate(header)
        except ValidationError:
            raise InvalidToken from None
