"""Everything that signing in needs, in one value."""

from dataclasses import dataclass

from gateway_core.access.throttle import Throttle
from gateway_core.egress import Egress
from gateway_core.signin.entrance import Entrance
from gateway_core.signin.groups import Groups
from gateway_core.signin.invitations import Invitations
from gateway_core.signin.passwords import Passwords
from gateway_core.signin.provider import Provider
from gateway_core.signin.sessions import Sessions
from gateway_core.signin.setup import Setup


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the pages are built on. One per process."""

    sessions: Sessions
    provider: Provider | None
    """None where people have passwords here, or where nobody can sign in yet."""
    entrance: Entrance
    invitations: Invitations
    setup: Setup
    groups: Groups
    throttle: Throttle
    egress: Egress
    passwords: Passwords | None
    """The built-in sign-in: on one machine without an identity provider. On AWS there is none."""

    async def close(self) -> None:
        """Cut connections, let threads end."""
        await self.egress.close()
        if self.passwords is not None:
            self.passwords.close()
