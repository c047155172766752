"""Every setting: name, type, default, bounds and documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fluxlit._internal.cpus import usable_cpus
from fluxlit.settings import grammar

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})]
Bytes = Annotated[int, Field(ge=1, json_schema_extra={"unit": "bytes"})]
Strings = Annotated[tuple[str, ...], BeforeValidator(grammar.strings)]


def _each(rule: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: tuple(map(rule, value)))


def _auto_is_cpus(value: object) -> object:
    return usable_cpus() if isinstance(value, str) and value.strip().lower() == "auto" else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The effective settings of one application, validated and frozen.

    `resolve` builds it from all layers. Calling the class reads no file and no variable, only
    keyword arguments and defaults, which suits tests.
    """

    model_config = SettingsConfigDict(
        env_prefix="FLUXLIT_", frozen=True, extra="forbid", strict=True, validate_default=False
    )

    title: Annotated[str, Field(min_length=1)] = Field(
        default="FluxLit", description="Name of the application: title of the API and of the browser window."
    )
    target: str | None = Field(
        default=None,
        description="The FluxLit object to run, as `module:attribute` or `path/to/file.py:attribute`. "
        "Without it FluxLit looks for `app:app`.",
        json_schema_extra={"env": "FLUXLIT_APP", "flag": "TARGET"},
    )
    gateway_host: Annotated[str, AfterValidator(grammar.host)] = Field(
        default="127.0.0.1",
        description="Address to listen on. `0.0.0.0` accepts connections from other machines.",
        json_schema_extra={"flag": "--host"},
    )
    gateway_port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port to listen on. 0 selects a free port; the start message shows it.",
        json_schema_extra={"flag": "--port"},
    )
    gateway_uds: str | None = Field(
        default=None,
        min_length=1,
        description="UNIX socket to listen on instead of a port: a path, created at start and removed at the end. "
        "For `fluxlit run`.",
        json_schema_extra={"flag": "--uds"},
    )
    gateway_uds_mode: Annotated[str, AfterValidator(grammar.file_mode)] = Field(
        default="660",
        description="Permissions of that socket, in octal digits: which users may connect.",
        json_schema_extra={"flag": "--uds-mode"},
    )
    gateway_fd: Annotated[int | None, Field(ge=0)] = Field(
        default=None,
        description="File descriptor of a listening socket, inherited from the parent process. Not needed for "
        "systemd socket activation. For `fluxlit run`.",
        json_schema_extra={"flag": "--fd"},
    )
    tls_certificate: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file: certificate, then intermediates. For `fluxlit run`, like all TLS settings; uvicorn has "
        "its own.",
        json_schema_extra={"aliases": ["--ssl-certfile"]},
    )
    tls_key: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file with the private key, if it is not in the same file.",
        json_schema_extra={"aliases": ["--ssl-keyfile"]},
    )
    tls_key_password: str | None = Field(
        default=None,
        description="Password of an encrypted key. Set it in the environment, not on the command line.",
        repr=False,
        json_schema_extra={"secret": True, "aliases": ["--ssl-keyfile-password"]},
    )
    tls_minimum_version: Literal["1.2", "1.3"] = Field(
        default="1.2", description="Oldest TLS version that is accepted."
    )
    pidfile: str | None = Field(
        default=None,
        min_length=1,
        description="File for the process id, locked while the server runs; `fluxlit shutdown` reads it. "
        "For `fluxlit run` and `fluxlit dev`.",
        json_schema_extra={"aliases": ["--pid-file"]},
    )
    admin_port: Annotated[int | None, Field(ge=0, le=65535)] = Field(
        default=None,
        description="Port of the admin listener: `/metrics` for Prometheus and `/status`. By default both are on a "
        "UNIX socket that only this user can open, for `fluxlit status`. Never the public port.",
    )
    admin_host: Annotated[str, AfterValidator(grammar.host)] = Field(
        default="127.0.0.1",
        description="Address for `admin_port`. On an address other than loopback only `/metrics` is served, to every "
        "client that can connect: restrict them with a firewall or a network policy.",
    )
    admin_uds: str | None = Field(
        default=None,
        min_length=1,
        description="Additional UNIX socket of the admin listener: a path, created at start and removed at the end.",
    )
    admin_uds_mode: Annotated[str, AfterValidator(grammar.file_mode)] = Field(
        default="660",
        description="Permissions of `admin_uds`, in octal digits: which users may connect.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)] = Field(
        default="info", description="Lowest level that is logged."
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = Field(
        default="text", description="`text` for people, `json` for one JSON object a line."
    )
    root_path: Annotated[str, AfterValidator(grammar.mount_path)] = Field(
        default="",
        description="Public prefix of the whole application, such as `/apps/my-app`. Works whether the edge proxy "
        "strips the prefix or forwards it.",
    )
    api_mount_path: Annotated[str, AfterValidator(grammar.api_mount_path)] = Field(
        default="/api", description="Path of the API below the root path."
    )
    trust_proxy: bool = Field(
        default=False,
        description="Trust forwarding headers (`X-Forwarded-*`, `Forwarded`) of the proxies in "
        "`forwarded_allow_ips`. When off, such headers are removed.",
        json_schema_extra={"aliases": ["--proxy-headers"]},
    )
    forwarded_allow_ips: Annotated[Strings, _each(grammar.allowed_ip)] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses and networks of the proxies to trust when `trust_proxy` is on; `unix` means those that "
        "connect to a UNIX socket. `*` trusts every client and is safe only if no client but the proxy can connect.",
    )
    public_base_url: Annotated[str, AfterValidator(grammar.public_base_url)] = Field(
        default="",
        description="Address that browsers use, such as `https://example.com/apps/my-app`. "
        "Its path must equal `root_path`.",
    )
    allowed_origins: Annotated[Strings, _each(grammar.origin)] = Field(
        default=(),
        description="Origins, besides the application's own, that may open WebSockets. "
        "Writing to the API takes `cors_allow_origins` with `cors_allow_credentials`.",
    )
    public_paths: Annotated[Strings, _each(grammar.public_path)] = Field(
        default=(),
        description="Paths below the root path that require no login, such as `/api/webhook`. A path with a slash at "
        "the end includes everything below it: `/app/static/`.",
    )
    enable_security_headers: bool = Field(
        default=True,
        description="Add to every response that lacks them: `X-Content-Type-Options`, `X-Frame-Options`, "
        "`Content-Security-Policy` with `base-uri`, `object-src` and `frame-ancestors`, `Referrer-Policy` and, over "
        "TLS, `Cross-Origin-Opener-Policy`.",
    )
    frame_options: Literal["SAMEORIGIN", "DENY", ""] = Field(
        default="SAMEORIGIN",
        description="Which sites may embed the application in a frame: its own origin, none or, if empty, all.",
        json_schema_extra={"empty": True},
    )
    referrer_policy: Annotated[str, AfterValidator(grammar.referrer_policy)] = Field(
        default="strict-origin-when-cross-origin",
        description="What other sites learn of the address of a page. The default is the origin alone, without the "
        "path and the query, which may carry a session id; maps and videos in a page may need the origin. Empty leaves "
        "it to the browser.",
        json_schema_extra={"empty": True},
    )
    hsts_max_age_s: Annotated[int | None, Field(ge=0, json_schema_extra={"unit": "seconds"})] = Field(
        default=None,
        description="How long browsers insist on HTTPS, sent only where TLS is certain: this process speaks it, or "
        "`public_base_url` begins with `https:`. By default a year, for this host; a value is for subdomains too. 0 "
        "sends nothing, for instance because the edge does.",
    )
    cors_allow_origins: Annotated[Strings, _each(grammar.origin)] = Field(
        default=(), description="Origins from which scripts may call the API in a browser."
    )
    cors_allow_credentials: bool = Field(
        default=False, description="Allow those scripts to send cookies and credentials."
    )
    api_workers: Annotated[int, BeforeValidator(_auto_is_cpus)] = Field(
        default=0,
        ge=0,
        description="Number of worker processes for the API. 0: the API runs in the gateway's process, where a route "
        "that blocks the event loop stops pages and health probes too. `auto` starts one per processor that this "
        "process may use. The lifespan runs in every worker, and memory is not shared between them.",
        json_schema_extra={"word": "auto"},
    )
    api_before_start: Annotated[str | None, AfterValidator(grammar.function)] = Field(
        default=None,
        description="Function to call once per replica before the API starts, such as a database migration, as "
        "`module:function`. It may be `async`; its failure prevents the start.",
    )
    streamlit_open_routes: Annotated[Strings, _each(grammar.open_route)] = Field(
        default=(),
        description="Routes of Streamlit to open, closed by default: `metrics`, `script-health-check`, `agent`.",
    )
    streamlit_mode: Literal["workers", "embedded", "external"] = Field(
        default="workers",
        description="Where Streamlit runs: in supervised worker processes, in the gateway's process, or on another "
        "server (`streamlit_upstream`, which implies `external`).",
    )
    streamlit_workers: Annotated[int, BeforeValidator(_auto_is_cpus)] = Field(
        default=1,
        ge=1,
        description="Number of worker processes in `workers` mode. `auto` starts one per processor that this "
        "process may use.",
        json_schema_extra={"flag": "--workers", "word": "auto"},
    )
    streamlit_upstream: Annotated[str | None, AfterValidator(grammar.upstream)] = Field(
        default=None,
        description="Address of an external Streamlit server: `http://host:port[/base]`, `https://host[:port]` or "
        "`unix:/path`.",
    )
    streamlit_upstream_ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file with the authority of an `https://` upstream. By default the authorities of the system; "
        "the certificate is always verified.",
    )
    streamlit_upstream_server_name: str | None = Field(
        default=None,
        min_length=1,
        description="Name in the certificate of an `https://` upstream, if it is not the host of its address.",
    )
    streamlit_start_timeout_s: Seconds = Field(
        default=60.0, description="Time for a worker to become ready, of the API too."
    )
    streamlit_hung_timeout_s: Seconds = Field(
        default=15.0,
        description="Time after which a worker that does not respond to probes is killed and replaced, of the API too. "
        "Must be longer than any call of C code in a page that holds Python's interpreter lock, and than any `async` "
        "route of the API that blocks.",
    )
    worker_max_memory: Annotated[str | None, BeforeValidator(grammar.memory)] = Field(
        default=None,
        description="Memory that a worker of the UI or the API may use: bytes, with `K`, `M` or `G`, or a percentage "
        "of the container's memory, such as `40%`. It is replaced when it uses 80 % of that. Without the setting, the "
        "worker that has grown most is replaced when the container's memory is nearly used up.",
    )
    worker_max_age_s: Annotated[float | None, Field(gt=0, json_schema_extra={"unit": "seconds"})] = Field(
        default=None, description="Age after which a worker is replaced."
    )
    worker_max_requests: Annotated[int | None, Field(ge=1)] = Field(
        default=None,
        description="Number of requests and WebSockets after which a worker is replaced.",
    )
    streamlit_options: Annotated[dict[str, JsonValue], BeforeValidator(grammar.options)] = Field(
        default={},
        description="Streamlit's own options, for example `server.maxUploadSize`. "
        "Options that FluxLit sets itself are refused.",
    )
    streamlit_page_config: Annotated[dict[str, JsonValue], AfterValidator(grammar.page_config)] = Field(
        default={},
        description="Default page configuration: `layout`, `initial_sidebar_state`, `page_icon`, and `menu_items` with "
        "URLs for `Get help` and `Report a bug` and a string for `About`. Not for a script adopted with "
        "`FluxLit(ui=...)`, which calls `st.set_page_config`.",
    )
    system_page_template: str | None = Field(
        default=None,
        min_length=1,
        description="HTML file for the pages that FluxLit shows itself: sign-in, access denied, starting, errors. The "
        "path is relative to the project file.",
    )
    gateway_via: Annotated[str, AfterValidator(grammar.via)] = Field(
        default="fluxlit",
        description="Name of the gateway in the `Via` header of requests to the UI. Empty: no `Via`, and loops are not "
        "detected.",
        json_schema_extra={"empty": True},
    )
    gateway_upstream_connect_timeout_s: Seconds = Field(default=5.0, description="Time to connect to the UI.")
    gateway_upstream_read_timeout_s: Seconds = Field(
        default=120.0, description="Longest silence of the UI within a response; not a limit on its duration."
    )
    gateway_max_proxy_request_body_bytes: int = Field(
        default=0,
        ge=0,
        description="Largest request body for the UI; 0 means no limit.",
        json_schema_extra={"unit": "bytes"},
    )
    gateway_max_concurrent_upstream_http: int = Field(
        default=256, ge=1, description="Maximum number of concurrent requests to the UI; further requests wait."
    )
    gateway_max_connections: int = Field(
        default=16384,
        ge=0,
        description="Largest number of open connections, above it 503. 0 means no limit. For `fluxlit run`.",
    )
    gateway_max_connections_per_address: int = Field(
        default=1024,
        ge=0,
        description="Largest number of open connections from one address, above it 503. Not for this machine, UNIX "
        "sockets and trusted proxies. 0 means no limit. For `fluxlit run`.",
    )
    gateway_keep_alive_timeout_s: Seconds = Field(
        default=80.0,
        description="Time that an idle client connection is kept. Must be longer than the timeout of the proxy in "
        "front (usually 60 to 75 s), or requests are lost. For `fluxlit run`; uvicorn has `--timeout-keep-alive`.",
    )
    gateway_max_request_head_bytes: Annotated[
        int, Field(ge=4_096, le=1_048_576, json_schema_extra={"unit": "bytes"})
    ] = Field(
        default=65_536,
        description="Largest request line and headers together, else 431; path and query may be a quarter of it, else "
        "414. For `fluxlit run`; uvicorn has its own.",
    )
    gateway_ws_open_timeout_s: Seconds = Field(default=10.0, description="Time for a WebSocket handshake with the UI.")
    gateway_ws_ping_interval_s: Seconds = Field(default=30.0, description="Time between two WebSocket pings.")
    gateway_ws_ping_timeout_s: Seconds = Field(
        default=30.0, description="Time to wait for the pong to a WebSocket ping."
    )
    gateway_ws_close_timeout_s: Seconds = Field(default=10.0, description="Time for the WebSocket closing handshake.")
    gateway_ws_max_message_bytes: Bytes = Field(
        default=209_715_200, description="Largest WebSocket message from the UI (Streamlit's limit is 200 MiB)."
    )
    gateway_ws_max_client_message_bytes: Bytes = Field(
        default=26_214_400, description="Largest WebSocket message from a browser (Streamlit's limit is 25 MiB)."
    )
    gateway_ws_compression: bool = Field(
        default=False,
        description="Compress WebSocket messages if the browser can (RFC 7692), for browsers behind slow lines. Each "
        "takes 60 kB more in the worker. For `fluxlit run`; uvicorn has `--ws-per-message-deflate`.",
    )
    uvicorn_graceful_shutdown_timeout_s: SecondsOrZero = Field(
        default=30.0,
        description="Time for open requests to finish when the gateway stops. Under `uvicorn app:app` too, where its "
        "`--timeout-graceful-shutdown` has precedence.",
        json_schema_extra={"flag": "--graceful-timeout"},
    )
    gateway_drain_delay_s: SecondsOrZero = Field(
        default=0.0,
        description="Time between SIGTERM, after which `readyz` returns 503, and the end of accepting connections, for "
        "load balancers. Ctrl-C does not wait.",
        json_schema_extra={"flag": "--drain-delay"},
    )
    api_shutdown_timeout_s: Seconds = Field(
        default=10.0,
        description="Time for the shutdown of the API's lifespan after open requests; then it is cancelled.",
    )
    enable_gateway_access_log: bool = Field(
        default=False,
        description="Log one line per request at the gateway, after the response.",
        json_schema_extra={"aliases": ["--access-log"]},
    )
    enable_request_logging: bool = Field(default=False, description="Log one line per request to the API.")
    enable_tracing: bool = Field(
        default=False,
        description="Create OpenTelemetry spans for requests, proxying and page runs, and propagate the W3C trace "
        "context. Needs `fluxlit-gateway[telemetry]`, and an SDK set up by the application or by "
        "`opentelemetry-instrument`. An incoming context is continued if `trust_proxy` trusts its sender.",
        json_schema_extra={"aliases": ["--tracing"]},
    )
    session_store: Annotated[str | None, AfterValidator(grammar.session_store)] = Field(
        default=None,
        description="Where sessions are stored: `memory://`, `sqlite:///file.db`, `redis://host`, `rediss://host`, "
        "`unix:///redis.sock`, `redis+sentinel://host,host/service`, `redis+cluster://host,host`, or a scheme of "
        "another package. The query may contain options of the store, such as `?idle_ttl=3600`. By default there are "
        "no sessions.",
        repr=False,
    )
    restore_sessions: bool = Field(
        default=True,
        description="With a shared `session_store`: keep a copy of each page's `st.session_state` and widgets, so "
        "that another worker or replica can continue the session.",
    )
    restore_on_reload: bool = Field(
        default=True,
        description="With `restore_sessions`: a reloaded tab (F5) continues its session, too. A new tab never does.",
    )
    url_session_query_param: Annotated[str, AfterValidator(grammar.query_param)] = Field(
        default="fluxlit_sid", description="Name of the query parameter with the session id."
    )
    secret_key: Annotated[Strings, _each(grammar.secret_key)] = Field(
        default=(),
        description="Key that encrypts sessions, at least 32 random characters. Of several keys the first encrypts, "
        "all decrypt. Set it in the environment, not on the command line, which other users of the machine can read.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    oidc_issuer: str = Field(
        default="",
        description="Issuer of the OpenID provider, such as `https://login.example.com`, exactly as in its metadata. "
        "Used by `FluxLit(auth=OIDC.from_settings())`, like the other login settings.",
    )
    oidc_metadata_url: str = Field(
        default="",
        description="Address of the provider's metadata, if it is not `/.well-known/openid-configuration` below the "
        "issuer. In a private network it may use plain HTTP: `http://keycloak:8080/realms/staff/.well-known/"
        "openid-configuration` in a Compose file.",
    )
    oidc_preset: Literal["", "auth0", "cognito", "entra", "github", "google", "keycloak", "okta"] = Field(
        default="", description="Defaults for a well-known provider."
    )
    oidc_client_id: str = Field(default="", description="Client id of the application at the provider.")
    oidc_client_secret: str = Field(
        default="",
        description="Client secret of the application at the provider. Set it in the environment.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    oidc_client_key_file: str | None = Field(
        default=None,
        description="File with the private key of the client (PEM, also with its certificate, or JWK), instead of a "
        "secret: `private_key_jwt`.",
    )
    oidc_client_auth: Literal["auto", "client_secret_basic", "client_secret_post", "private_key_jwt"] = Field(
        default="auto",
        description="How the application authenticates at the provider. `auto`: as its metadata announce.",
    )
    oidc_pushed_requests: Literal["auto", "off", "required"] = Field(
        default="auto",
        description="Push authorization requests (RFC 9126). `auto`: if the provider announces and accepts it.",
    )
    oidc_userinfo: Literal["auto", "off", "required"] = Field(
        default="auto",
        description="Ask UserInfo for claims besides the ID token. `auto`: if the provider has one, does not refuse, "
        "and the preset has no other value.",
    )
    oidc_scopes: Strings = Field(
        default=(), description="Scopes to request. Default: those of the preset, else `openid profile email`."
    )
    oidc_roles_claims: Strings = Field(
        default=(),
        description="Claims with the roles of a user, nested names separated by dots: `realm_access.roles`. Default: "
        "those of the preset, else `roles` and `groups`.",
    )
    oidc_algorithms: Strings = Field(
        default=(),
        description="Accepted signature algorithms of tokens. Default: all secure asymmetric ones.",
    )
    oidc_leeway_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})] = (
        Field(default=30.0, description="Accepted difference between the clocks of provider and application.")
    )
    oidc_logout_at_provider: bool = Field(
        default=True, description="Also end the session at the provider when a user logs out."
    )
    login_idle_timeout_s: Seconds = Field(
        default=3600.0, description="Time after which an unused login ends. Activity in an open page counts as use."
    )
    login_absolute_timeout_s: Seconds = Field(
        default=86400.0, description="Time after which a login ends, even if it is used."
    )
    allow_unified_uvicorn_multiworker: bool = Field(
        default=False, description="Allow several server processes, as by `uvicorn --workers 2`. Not supported."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only arguments; `resolve` reads the other layers."""
        return (init_settings,)
