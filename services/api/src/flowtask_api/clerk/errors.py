"""What can be wrong with signing in.

Unauthorized        401
+- InvalidToken         not a session token of ours, or not any more
+- Expired
   +- TokenExpired      it was one: a frontend gets a new one and asks again
ServiceUnavailable  503
+- Unjudged
   +- SignInUnavailable nobody can say now whether it is one
"""

from flowtask_contracts.errors import Unauthorized

from ..auth.errors import Expired, Unjudged


class InvalidToken(Unauthorized):
    """The bearer token is none that Clerk gave to a person of this application."""

    message = "Invalid token"
    challenge = 'Bearer error="invalid_token"'


class TokenExpired(Expired):
    """The session token was good, and its minute is over."""

    message = "The token has expired. Get a new one and try again."
    challenge = 'Bearer error="invalid_token", error_description="The token has expired"'


class SignInUnavailable(Unjudged):
    """Clerk cannot be asked for the key of this token, so it is neither valid nor invalid."""

    message = "Sign-in is under maintenance. Please try again in a few moments."
