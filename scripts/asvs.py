"""The requirements of OWASP ASVS 5.0 that concern a login, in our own words.

Chapters 3 (web front end), 4 (API), 7 (sessions), 9 (self-contained tokens), 10 (OAuth and OpenID Connect), and what
belongs to them of 16. A requirement has tests that carry its id, or a note that says why there are none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """One requirement.

    Attributes:
        text: what it asks for.
        note: why no test shows it; empty if tests do.
    """

    text: str
    note: str = ""


PROVIDER = "the provider's, where users have their accounts"
OWN = "the application's own, which knows what is sensitive in it"

REQUIREMENTS = {
    "3.3.1": Requirement("cookies are `Secure` and have a prefix"),
    "3.3.2": Requirement("`SameSite` fits what a cookie is for"),
    "3.3.3": Requirement("cookies are for one host: `__Host-`"),
    "3.3.4": Requirement("session cookies are `HttpOnly`, and their value is nowhere else"),
    "3.3.5": Requirement("a cookie has at most 4096 bytes"),
    "3.5.1": Requirement("calls that change something show that they come from the application"),
    "3.5.3": Requirement("what changes something is not done by GET, or only where the call is no other site's"),
    "3.5.8": Requirement(
        "resources are embedded by others only where that is wanted",
        "see 3.3.2: what other sites embed comes without the cookie; and `frame_options`",
    ),
    "3.7.2": Requirement("nobody is redirected to other hosts"),
    "4.1.3": Requirement("a user cannot send the fields by which intermediaries name users"),
    "4.4.1": Requirement(
        "WebSockets use TLS", "TLS is the edge's, or of `fluxlit run`; without it there is no login but on localhost"
    ),
    "4.4.2": Requirement("the Origin of a WebSocket is checked"),
    "4.4.3": Requirement("WebSockets have the session of HTTP, or tokens as good"),
    "4.4.4": Requirement("a WebSocket's session comes from the HTTPS session before it"),
    "7.1.1": Requirement(
        "lifetimes of sessions are documented", "[how long a login lasts](../how-to/login.md#how-long-a-login-lasts)"
    ),
    "7.1.2": Requirement(
        "the number of sessions of one user is documented",
        "not limited; `fluxlit auth sessions list --user` shows them",
    ),
    "7.1.3": Requirement(
        "federated sessions, and how they end, are documented", "[logging out](../how-to/login.md#logging-out)"
    ),
    "7.2.1": Requirement("sessions are verified by the server"),
    "7.2.2": Requirement("session tokens are made for each session"),
    "7.2.3": Requirement("session tokens are random, with 128 bits or more"),
    "7.2.4": Requirement("a login makes a new session token and ends the old one"),
    "7.3.1": Requirement("sessions that are not used end"),
    "7.3.2": Requirement("sessions end after a time in any case"),
    "7.4.1": Requirement("an ended session is of no use any more"),
    "7.4.2": Requirement("the sessions of an account that is closed end"),
    "7.4.3": Requirement(
        "sessions can be ended after a password has changed", PROVIDER + "; it sends a back-channel logout"
    ),
    "7.4.4": Requirement("logging out is in easy reach", "pages show `sign_out()`"),
    "7.4.5": Requirement("administrators can end the sessions of one user or of all"),
    "7.5.1": Requirement("changing an account needs a fresh login", PROVIDER),
    "7.5.2": Requirement("users see and end their own sessions", PROVIDER),
    "7.5.3": Requirement("very sensitive actions need another login", OWN),
    "7.6.1": Requirement("sessions here and at the provider live and end together as documented"),
    "7.6.2": Requirement(
        "a session begins by an action of the user",
        PROVIDER + "; `prompt=login` or `consent` asks for it (`authorization_params`)",
    ),
    "8.2.1": Requirement("functions are for those who are permitted"),
    "8.3.1": Requirement("permissions are decided where users cannot change them"),
    "8.3.3": Requirement("what a page asks of the API is decided by its user's permissions"),
    "9.1.1": Requirement("signatures of tokens are verified before anything else is believed"),
    "9.1.2": Requirement("only algorithms of a list are accepted, never `none`, and no mix of kinds"),
    "9.1.3": Requirement("keys come from places that are configured, not from the token"),
    "9.2.1": Requirement("tokens are accepted in their time only"),
    "9.2.2": Requirement("tokens serve the purpose that they are made for only"),
    "9.2.3": Requirement("tokens are for this audience"),
    "10.1.1": Requirement("tokens stay in the backend"),
    "10.1.2": Requirement("what comes from the provider belongs to a login of the same browser"),
    "10.2.1": Requirement("the code flow is safe from forged requests: PKCE and `state`"),
    "10.2.2": Requirement("providers cannot be mixed up"),
    "10.2.3": Requirement("only scopes that are needed are asked for"),
    "10.3.1": Requirement("access tokens are for this API"),
    "10.3.2": Requirement("scopes and roles of an access token decide"),
    "10.3.3": Requirement("users are told apart by claims that are never given to another"),
    "10.3.4": Requirement(
        "strength and age of an authentication are checked where needed",
        OWN + "; `acr` and `auth_time` are in `user.claims`",
    ),
    "10.3.5": Requirement(
        "stolen access tokens are of no use (DPoP, mutual TLS)",
        "not offered for machine callers; browsers hold no access token",
    ),
    "10.4.6": Requirement("codes are protected by PKCE"),
    "10.4.10": Requirement("a confidential client authenticates at the token, PAR and revocation endpoints"),
    "10.4.16": Requirement("clients authenticate with keys: `private_key_jwt`"),
    "10.5.1": Requirement("ID tokens cannot be replayed: `nonce`"),
    "10.5.2": Requirement("users are told apart by `sub`"),
    "10.5.3": Requirement("metadata of another issuer are refused"),
    "10.5.4": Requirement("`aud` of an ID token is this client"),
    "10.5.5": Requirement("logout tokens are typed, short-lived and of this provider; no other token is one"),
    "14.3.1": Requirement("what a user has seen is gone from the browser when the login has ended"),
    "16.2.5": Requirement("logs hold no credentials"),
    "16.5.2": Requirement("a provider or a store that is down harms nobody else"),
    "16.5.3": Requirement("what cannot be checked is not allowed"),
}
"""Requirement by id. Of 10.4, 10.6 and 10.7, which are about providers, those that have a half for clients."""
