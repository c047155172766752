"""Requirements of OWASP ASVS 5.0 for a login, in our own words.

Chapters 3 (web front end), 4 (API), 7 (sessions), 9 (self-contained tokens), 10 (OAuth and OpenID Connect), and what
belongs to them of 16. A requirement has tests that carry its id, or a note about why there are none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """One requirement.

    Attributes:
        text: what must hold.
        note: why it has no test; empty if it has.
    """

    text: str
    note: str = ""


PROVIDER = "task of the provider, which manages the accounts"
OWN = "task of the application, which knows what is sensitive in it"

REQUIREMENTS = {
    "3.3.1": Requirement(
        "cookies of the login are `Secure` and have a prefix; so is the worker's, and `_streamlit_xsrf`, which has none"
    ),
    "3.3.2": Requirement("`SameSite` fits the purpose of a cookie"),
    "3.3.3": Requirement("cookies are for one host: `__Host-`"),
    "3.3.4": Requirement("session cookies are `HttpOnly`, and their value is sent nowhere else"),
    "3.3.5": Requirement("a cookie has at most 4096 bytes"),
    "3.4.1": Requirement(
        "browsers that have seen the host over HTTPS use HTTPS alone (HSTS); its subdomains by `hsts_max_age_s` only"
    ),
    "3.4.2": Requirement("CORS is for listed origins"),
    "3.4.3": Requirement(
        "a Content-Security-Policy limits scripts to trusted ones",
        "cannot be shown: pages may bring scripts of their own; the edge can send "
        "[a stricter one](../explanation/security.md#what-browsers-receive)",
    ),
    "3.4.4": Requirement("every response has `X-Content-Type-Options: nosniff`"),
    "3.4.5": Requirement("`Referrer-Policy` keeps paths and queries from other sites"),
    "3.4.6": Requirement("`frame-ancestors` keeps other sites from embedding a page"),
    "3.4.8": Requirement("`Cross-Origin-Opener-Policy` keeps windows of other sites apart"),
    "3.5.1": Requirement("calls that change something prove that they come from the application"),
    "3.5.3": Requirement("GET changes nothing, or only in calls that cannot come from another site"),
    "3.5.8": Requirement(
        "other sites embed resources only where that is intended",
        "see 3.3.2: embedded requests carry no cookie; and `frame_options`",
    ),
    "3.7.2": Requirement("users are not redirected to other hosts"),
    "4.1.3": Requirement("a user cannot send the headers by which intermediaries name users"),
    "4.4.1": Requirement(
        "WebSockets use TLS",
        "TLS is the task of the edge or of `fluxlit run`; without it a login works on localhost only",
    ),
    "4.4.2": Requirement("the Origin of a WebSocket is checked"),
    "4.4.3": Requirement("WebSockets use the session of HTTP, or equivalent tokens"),
    "4.4.4": Requirement("the session of a WebSocket comes from the preceding HTTPS session"),
    "5.2.1": Requirement("uploads are limited to what the process can hold"),
    "5.2.2": Requirement("the content of files fits their type", OWN),
    "5.2.4": Requirement("the files of one user have a limit in size and number"),
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
    "7.2.2": Requirement("session tokens are created for each session"),
    "7.2.3": Requirement("session tokens are random, with 128 bits or more"),
    "7.2.4": Requirement("a login makes a new session token and ends the old one"),
    "7.3.1": Requirement("unused sessions expire"),
    "7.3.2": Requirement("sessions expire after an absolute time"),
    "7.4.1": Requirement("an ended session cannot be used"),
    "7.4.2": Requirement("the sessions of a closed account end"),
    "7.4.3": Requirement(
        "sessions can be ended after a change of password", PROVIDER + "; it sends a back-channel logout"
    ),
    "7.4.4": Requirement("logging out is easy to find", "pages show `sign_out()`"),
    "7.4.5": Requirement("administrators can end the sessions of one user or of all"),
    "7.5.1": Requirement("changing an account needs a fresh login", PROVIDER),
    "7.5.2": Requirement("users see and end their own sessions", PROVIDER),
    "7.5.3": Requirement("very sensitive actions need another login", OWN),
    "7.6.1": Requirement("sessions of the application and the provider have the documented relation"),
    "7.6.2": Requirement(
        "a session begins by an action of the user",
        PROVIDER + "; `prompt=login` or `consent` requests it (`authorization_params`)",
    ),
    "8.2.1": Requirement("functions are restricted to users with permission"),
    "8.3.1": Requirement("permissions are decided where users cannot change them"),
    "8.3.3": Requirement("calls of a page to the API have the permissions of its user"),
    "9.1.1": Requirement("signatures of tokens are verified before any other content is trusted"),
    "9.1.2": Requirement("only listed algorithms are accepted, never `none`, and no mix of kinds"),
    "9.1.3": Requirement("keys come from configured sources, not from the token"),
    "9.2.1": Requirement("tokens are accepted only while they are valid"),
    "9.2.2": Requirement("tokens are accepted only for their purpose"),
    "9.2.3": Requirement("tokens are for this audience"),
    "10.1.1": Requirement("tokens stay in the backend"),
    "10.1.2": Requirement("a response of the provider belongs to a login of the same browser"),
    "10.2.1": Requirement("the code flow is protected from forged requests: PKCE and `state`"),
    "10.2.2": Requirement("providers cannot be confused (mix-up)"),
    "10.2.3": Requirement("only needed scopes are requested"),
    "10.3.1": Requirement("access tokens are for this API"),
    "10.3.2": Requirement("scopes and roles of an access token are enforced"),
    "10.3.3": Requirement("users are identified by claims that are never reassigned"),
    "10.3.4": Requirement(
        "strength and age of an authentication are checked where needed",
        OWN + "; `acr` and `auth_time` are in `user.claims`",
    ),
    "10.3.5": Requirement(
        "stolen access tokens cannot be used (DPoP, mutual TLS)",
        "not offered for machine callers; browsers hold no access token",
    ),
    "10.4.6": Requirement("codes are protected by PKCE"),
    "10.4.10": Requirement("a confidential client authenticates at the token, PAR and revocation endpoints"),
    "10.4.16": Requirement("clients authenticate with keys: `private_key_jwt`"),
    "10.5.1": Requirement("ID tokens cannot be replayed: `nonce`"),
    "10.5.2": Requirement("users are identified by `sub`"),
    "10.5.3": Requirement("metadata of another issuer is refused"),
    "10.5.4": Requirement("`aud` of an ID token is this client"),
    "10.5.5": Requirement("logout tokens are typed, short-lived and from this provider; other tokens are refused"),
    "11.1.2": Requirement(
        "there is an inventory of keys and algorithms",
        "cannot be shown: [secrets](../how-to/secrets.md) lists the keys alone",
    ),
    "12.1.2": Requirement(
        "only recommended ciphers are used", "task of the edge; `fluxlit run` leaves them to OpenSSL"
    ),
    "12.3.1": Requirement(
        "connections between services are encrypted",
        "cannot be shown: `rediss://` is yours to choose, and an edge in the same network uses plain HTTP",
    ),
    "13.2.4": Requirement(
        "outgoing connections are limited to a list",
        "cannot be shown: pages and API connect anywhere; the generated NetworkPolicy allows port 443",
    ),
    "13.3.2": Requirement("a process has only the secrets that it needs"),
    "14.2.1": Requirement(
        "no secret is in a URL",
        "ids of `url_session` are, by design: [session security](../explanation/session-security.md)",
    ),
    "14.3.2": Requirement("responses for a user are not cached"),
    "14.3.1": Requirement("pages of a user are removed from the browser when the login has ended"),
    "15.2.2": Requirement("no request takes much time or memory"),
    "16.2.5": Requirement("logs contain no credentials"),
    "16.3.1": Requirement("logins are logged, and refused credentials"),
    "16.3.2": Requirement("refused requests are logged with user, address and request"),
    "16.3.3": Requirement("attempts to get around a limit are logged: origins, CSRF, files of others, uploads"),
    "16.5.2": Requirement("an outage of the provider or the store affects no other users"),
    "16.5.3": Requirement("a request that cannot be checked is not allowed"),
}
"""Requirement by id. Chapters 10.4, 10.6 and 10.7 are about providers; those with a part for clients are here."""
