"""What is wrong with a credential, and why a known caller may not do something."""

from collections.abc import Sequence

from flowtask_contracts.errors import ErrorDetail, Forbidden, ServiceUnavailable, Unauthorized

from .scopes import Access


class Expired(Unauthorized):
    """The credential is genuine and over: nobody has guessed it, and it counts for its `holder` and not for an address."""

    def __init__(self, holder: str) -> None:
        super().__init__()
        self.holder = holder


class Unjudged(ServiceUnavailable):
    """Nobody can say now whether the credential is good; until then it is none."""


class MissingScope(Forbidden):
    """The API key is not for this; `details` names the narrowest scope that is."""

    message = "This API key does not have the scope for this"

    def __init__(self, access: Access) -> None:
        super().__init__(details=[ErrorDetail(field="scopes", message=f"{access.scope} is missing")])


class MoreThanHeld(Forbidden):
    """A key would get scopes that the key in use does not hold itself; `details` names them."""

    message = "An API key cannot hand out scopes that it does not hold"

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(details=[ErrorDetail(field="scopes", message=f"{scope} is missing") for scope in scopes])
