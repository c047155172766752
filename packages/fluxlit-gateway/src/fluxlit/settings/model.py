"""Every setting, declared once: name, type, default, bounds and documentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fluxlit._internal.cpus import usable_cpus
from fluxlit.settings import grammar

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})]
Bytes = Annotated[int, Field(ge=1, json_schema_extra={"unit": "bytes"})]
Texts = Annotated[tuple[str, ...], BeforeValidator(grammar.texts)]


def _each_allowed_ip(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(grammar.allowed_ip(item) for item in value)


def _each_origin(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(grammar.origin(item) for item in value)


def _each_public_path(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(grammar.public_path(item) for item in value)


def _each_open_route(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(grammar.open_route(item) for item in value)


def _each_secret_key(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(grammar.secret_key(item) for item in value)


def _auto_is_cpus(value: object) -> object:
    return usable_cpus() if isinstance(value, str) and value.strip().lower() == "auto" else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The effective settings of one application, validated and frozen.

    `resolve` builds it from all layers. Calling the class reads no file and no variable: it
    takes its keyword arguments and the defaults, which is what a test wants.
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
        description="Port to listen on. 0 lets the system choose a free one; the start message names it.",
        json_schema_extra={"flag": "--port"},
    )
    gateway_uds: str | None = Field(
        default=None,
        min_length=1,
        description="UNIX socket to listen on instead of a port: the path of a file, which is made and removed. For "
        "`fluxlit run`.",
        json_schema_extra={"flag": "--uds"},
    )
    gateway_uds_mode: Annotated[str, AfterValidator(grammar.file_mode)] = Field(
        default="660",
        description="Who may connect to that socket, as the permissions of its file in octal digits.",
        json_schema_extra={"flag": "--uds-mode"},
    )
    gateway_fd: Annotated[int | None, Field(ge=0)] = Field(
        default=None,
        description="File descriptor of a listening socket that the parent process passes on. Sockets of systemd's "
        "socket activation are found without it. For `fluxlit run`.",
        json_schema_extra={"flag": "--fd"},
    )
    tls_certificate: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file with the certificate for HTTPS, followed by those between it and the root. For "
        "`fluxlit run`, as all settings of TLS; uvicorn has its own.",
        json_schema_extra={"aliases": ["--ssl-certfile"]},
    )
    tls_key: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file of the certificate's private key, if it is not in the same file.",
        json_schema_extra={"aliases": ["--ssl-keyfile"]},
    )
    tls_key_password: str | None = Field(
        default=None,
        description="Password of that key, if it is encrypted. Set it by the environment, not by the command line.",
        repr=False,
        json_schema_extra={"secret": True, "aliases": ["--ssl-keyfile-password"]},
    )
    tls_minimum_version: Literal["1.2", "1.3"] = Field(
        default="1.2", description="Oldest version of TLS that a client may speak."
    )
    pidfile: str | None = Field(
        default=None,
        min_length=1,
        description="File for the process id, which is locked while the server lives; `fluxlit shutdown` reads it. "
        "For `fluxlit run` and `fluxlit dev`.",
        json_schema_extra={"aliases": ["--pid-file"]},
    )
    admin_port: Annotated[int | None, Field(ge=0, le=65535)] = Field(
        default=None,
        description="Port of the admin listener: `/metrics` for Prometheus and `/status`. Without it both are on a "
        "UNIX socket that only this user can reach, where `fluxlit status` asks. Never the public port.",
    )
    admin_host: Annotated[str, AfterValidator(grammar.host)] = Field(
        default="127.0.0.1",
        description="Address for `admin_port`. On any but a loopback address only `/metrics` is served, to everybody "
        "who can connect: let a firewall or a network policy say who that is.",
    )
    admin_uds: str | None = Field(
        default=None,
        min_length=1,
        description="UNIX socket on which the admin listener also listens: the path of a file, which is made and "
        "removed.",
    )
    admin_uds_mode: Annotated[str, AfterValidator(grammar.file_mode)] = Field(
        default="660",
        description="Who may connect to `admin_uds`, as the permissions of its file in octal digits.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)] = Field(
        default="info", description="Least severe level that is logged."
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = Field(
        default="text", description="`text` for people, `json` for one JSON object a line."
    )
    root_path: Annotated[str, AfterValidator(grammar.mount_path)] = Field(
        default="",
        description="Public prefix of the whole application, such as `/apps/my-app`. Works whether the edge proxy "
        "removes the prefix or forwards it.",
    )
    api_mount_path: Annotated[str, AfterValidator(grammar.api_mount_path)] = Field(
        default="/api", description="Path of the API below the root path."
    )
    trust_proxy: bool = Field(
        default=False,
        description="Believe forwarding headers (`X-Forwarded-*`, `Forwarded`) of the proxies in "
        "`forwarded_allow_ips`. When off, such headers are removed.",
        json_schema_extra={"aliases": ["--proxy-headers"]},
    )
    forwarded_allow_ips: Annotated[Texts, AfterValidator(_each_allowed_ip)] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses and networks of the proxies to believe when `trust_proxy` is on; `unix` stands for "
        "those that connect to a UNIX socket. `*` believes every client and is right only where nobody but the proxy "
        "can connect.",
    )
    public_base_url: Annotated[str, AfterValidator(grammar.public_base_url)] = Field(
        default="",
        description="Address that browsers use, such as `https://example.com/apps/my-app`. "
        "Its path must equal `root_path`.",
    )
    allowed_origins: Annotated[Texts, AfterValidator(_each_origin)] = Field(
        default=(),
        description="Further browser origins, beyond the application's own, that may open WebSockets. "
        "Writing to the API takes `cors_allow_origins` with `cors_allow_credentials`.",
    )
    public_paths: Annotated[Texts, AfterValidator(_each_public_path)] = Field(
        default=(),
        description="Paths below the root path that need no login where the application has one, such as "
        "`/api/webhook`. One that ends in a slash stands for everything below it: `/app/static/`.",
    )
    enable_security_headers: bool = Field(
        default=True,
        description="Add to every response that does not have them: `X-Content-Type-Options`, `X-Frame-Options`, "
        "`Content-Security-Policy` with `frame-ancestors`, and `Referrer-Policy`.",
    )
    frame_options: Literal["SAMEORIGIN", "DENY", ""] = Field(
        default="SAMEORIGIN",
        description="Who may show the application in a frame: its own origin, nobody, or, when empty, everybody.",
    )
    referrer_policy: Annotated[str, AfterValidator(grammar.referrer_policy)] = Field(
        default="strict-origin-when-cross-origin",
        description="What other sites learn of the address of a page. The default is the origin alone, without the "
        "path and the query, which may carry a session id; maps and videos in a page may need the origin. Empty leaves "
        "it to the browser.",
    )
    hsts_max_age_s: Annotated[int | None, Field(ge=0, json_schema_extra={"unit": "seconds"})] = Field(
        default=None,
        description="How long browsers insist on HTTPS, sent only where TLS is certain: this process speaks it, or "
        "`public_base_url` begins with `https:`. By default a year, for this host; a value is for subdomains too. 0 "
        "sends nothing, for instance because the edge does.",
    )
    cors_allow_origins: Annotated[Texts, AfterValidator(_each_origin)] = Field(
        default=(), description="Origins whose scripts may call the API from a browser."
    )
    cors_allow_credentials: bool = Field(
        default=False, description="Let those scripts send cookies and credentials with their calls."
    )
    streamlit_open_routes: Annotated[Texts, AfterValidator(_each_open_route)] = Field(
        default=(),
        description="Routes of Streamlit that are closed unless named here: `metrics`, `script-health-check`, `agent`.",
    )
    streamlit_mode: Literal["workers", "embedded", "external"] = Field(
        default="workers",
        description="Where the UI runs: in supervised worker processes, in the gateway's process, or elsewhere "
        "(`streamlit_upstream`, which selects `external` by itself).",
    )
    streamlit_workers: Annotated[int, BeforeValidator(_auto_is_cpus)] = Field(
        default=1,
        ge=1,
        description="Number of worker processes in `workers` mode. `auto` starts one for each processor that this "
        "process may use.",
        json_schema_extra={"flag": "--workers", "word": "auto"},
    )
    streamlit_upstream: Annotated[str | None, AfterValidator(grammar.upstream)] = Field(
        default=None,
        description="Address of a Streamlit that runs elsewhere: `http://host:port[/base]` or `unix:/path`.",
    )
    streamlit_start_timeout_s: Seconds = Field(default=60.0, description="Time that a worker has to become ready.")
    streamlit_hung_timeout_s: Seconds = Field(
        default=15.0,
        description="Time after which a worker that lives but answers no probe is killed and replaced. Longer than "
        "any page computes in one call of C code that keeps Python's interpreter lock.",
    )
    streamlit_options: Annotated[dict[str, JsonValue], BeforeValidator(grammar.options)] = Field(
        default={},
        description="Streamlit's own options, for example `server.maxUploadSize`. "
        "Options that FluxLit needs for itself are refused.",
    )
    streamlit_page_config: Annotated[dict[str, JsonValue], AfterValidator(grammar.page_config)] = Field(
        default={},
        description="How pages look that do not say it themselves: `layout`, `initial_sidebar_state`, `page_icon`, and "
        "`menu_items` with addresses for `Get help` and `Report a bug` and a text for `About`. A script adopted by "
        "`FluxLit(ui=...)` says it itself.",
    )
    gateway_via: Annotated[str, AfterValidator(grammar.via)] = Field(
        default="fluxlit",
        description="Name under which the gateway adds itself to the `Via` field of requests to the UI; empty adds "
        "none, and then a request that goes round in circles is not noticed.",
    )
    gateway_upstream_connect_timeout_s: Seconds = Field(default=5.0, description="Time to connect to the UI.")
    gateway_upstream_read_timeout_s: Seconds = Field(
        default=120.0, description="Longest silence of the UI within one response; not a limit on its whole duration."
    )
    gateway_max_proxy_request_body_bytes: int = Field(
        default=0,
        ge=0,
        description="Largest request body that is passed to the UI; 0 sets no limit.",
        json_schema_extra={"unit": "bytes"},
    )
    gateway_max_concurrent_upstream_http: int = Field(
        default=256, ge=1, description="Number of requests that the UI handles at the same time; more of them wait."
    )
    gateway_upstream_queue_timeout_s: SecondsOrZero = Field(
        default=5.0, description="Time that a request waits for its turn before it is answered with 503."
    )
    gateway_upstream_idle_timeout_s: Seconds = Field(
        default=4.0,
        description="Time that an unused connection to the UI is kept. Less than the UI itself keeps it: uvicorn "
        "closes one after 5 s.",
    )
    gateway_send_timeout_s: Seconds = Field(
        default=60.0,
        description="Time that a client may take without reading anything of its response; then the connection is "
        "cut. Not a limit on the whole duration.",
    )
    gateway_request_head_timeout_s: Seconds = Field(
        default=30.0,
        description="Time in which a client must send the whole head of a request; then the answer is 408. It has as "
        "long for a TLS handshake. For `fluxlit run`.",
    )
    gateway_request_body_timeout_s: Seconds = Field(
        default=60.0,
        description="Time that a client may take without sending anything of a request body; then the answer is 408. "
        "Not a limit on the whole duration. For `fluxlit run`.",
    )
    gateway_request_body_min_rate: int = Field(
        default=100,
        ge=0,
        description="Least number of bytes a second that a client must send of a request body, on average over "
        "`gateway_request_body_timeout_s`; then the answer is 408. 0 sets no limit. For `fluxlit run`.",
        json_schema_extra={"unit": "bytes"},
    )
    gateway_max_connections: int = Field(
        default=16384,
        ge=0,
        description="Number of open connections; more of them get 503. 0 sets no limit. For `fluxlit run`.",
    )
    gateway_max_connections_per_address: int = Field(
        default=1024,
        ge=0,
        description="Number of open connections from one address; more of them get 503. Not for this machine, "
        "for UNIX sockets and for trusted proxies. 0 sets no limit. For `fluxlit run`.",
    )
    gateway_keep_alive_timeout_s: Seconds = Field(
        default=80.0,
        description="Time that an unused connection of a client is kept. Longer than the proxy in front keeps its own "
        "(60 to 75 s mostly), or requests are lost. For `fluxlit run`; uvicorn has `--timeout-keep-alive`.",
    )
    gateway_max_request_head_bytes: Annotated[
        int, Field(ge=4_096, le=1_048_576, json_schema_extra={"unit": "bytes"})
    ] = Field(
        default=65_536,
        description="Largest request line and fields together; beyond it the answer is 431. For `fluxlit run`; "
        "uvicorn has a limit of its own.",
    )
    gateway_max_request_target_bytes: Annotated[
        int, Field(ge=1_024, le=1_048_576, json_schema_extra={"unit": "bytes"})
    ] = Field(
        default=16_384,
        description="Longest path with its query; beyond it the answer is 414. For `fluxlit run`.",
    )
    gateway_max_request_fields: int = Field(
        default=256,
        ge=32,
        le=10_000,
        description="Largest number of fields in a request; beyond it the answer is 431. For `fluxlit run`.",
    )
    gateway_listen_backlog: int = Field(
        default=2_048,
        ge=1,
        le=65_535,
        description="Number of connections that the system keeps until they are accepted. The system has an upper "
        "bound of its own (`net.core.somaxconn`). For `fluxlit run`; uvicorn has `--backlog`.",
    )
    gateway_ws_open_timeout_s: Seconds = Field(default=10.0, description="Time for a WebSocket handshake with the UI.")
    gateway_ws_ping_interval_s: Seconds = Field(default=30.0, description="Time between two WebSocket pings.")
    gateway_ws_ping_timeout_s: Seconds = Field(
        default=30.0, description="Time to wait for the answer to a WebSocket ping."
    )
    gateway_ws_close_timeout_s: Seconds = Field(default=10.0, description="Time for a WebSocket to close in order.")
    gateway_ws_max_message_bytes: Bytes = Field(
        default=209_715_200, description="Largest WebSocket message from the UI (Streamlit's own limit is 200 MiB)."
    )
    gateway_ws_max_client_message_bytes: Bytes = Field(
        default=26_214_400, description="Largest WebSocket message from a browser (Streamlit's own limit is 25 MiB)."
    )
    gateway_ws_max_backlog_bytes: Bytes = Field(
        default=67_108_864,
        description="Bytes from the UI that may wait for a browser that reads slowly; beyond it the WebSocket is "
        "closed with 1013, and the browser connects again to the same session.",
    )
    uvicorn_graceful_shutdown_timeout_s: SecondsOrZero = Field(
        default=30.0,
        description="Time that open requests get to finish when the gateway stops.",
        json_schema_extra={"flag": "--graceful-timeout"},
    )
    gateway_drain_delay_s: SecondsOrZero = Field(
        default=0.0,
        description="Time between SIGTERM, from which on `readyz` says 503, and the end of accepting connections. "
        "As long as your load balancer needs to notice; Ctrl-C does not wait.",
        json_schema_extra={"flag": "--drain-delay"},
    )
    api_shutdown_timeout_s: Seconds = Field(
        default=10.0,
        description="Time that the API's own lifespan gets for its end, after the open requests have ended. Then it "
        "is cancelled.",
    )
    enable_gateway_access_log: bool = Field(
        default=False,
        description="Log one line for each request at the gateway, after its response.",
        json_schema_extra={"aliases": ["--access-log"]},
    )
    enable_request_logging: bool = Field(
        default=False, description="Log one line for each request that the API handled."
    )
    enable_tracing: bool = Field(
        default=False,
        description="Make spans by OpenTelemetry of requests, of the way to the UI, and of runs of pages, and pass the "
        "W3C trace context on. Needs `fluxlit-gateway[telemetry]`, and an SDK that the application or "
        "`opentelemetry-instrument` sets up. A context from outside is continued if `trust_proxy` believes its sender.",
        json_schema_extra={"aliases": ["--tracing"]},
    )
    session_store: Annotated[str | None, AfterValidator(grammar.session_store)] = Field(
        default=None,
        description="Where sessions are kept: `memory://`, `sqlite:///file.db`, `redis://host`, `rediss://host`, "
        "`unix:///redis.sock`, `redis+sentinel://host,host/service`, `redis+cluster://host,host`, or a scheme of "
        "another package. Its query may hold options of the store, such as `?idle_ttl=3600`. Without it there are no "
        "sessions.",
        repr=False,
    )
    restore_sessions: bool = Field(
        default=True,
        description="With a `session_store` that others share: keep a copy of each page's `st.session_state` and "
        "widgets in it, so that another worker or replica goes on with the session when this one is gone.",
    )
    restore_on_reload: bool = Field(
        default=True,
        description="Where sessions are restored: a tab that is loaded again (F5) goes on with its session too. A tab "
        "that is opened anew never does.",
    )
    url_session_query_param: Annotated[str, AfterValidator(grammar.query_param)] = Field(
        default="fluxlit_sid", description="Name of the query parameter that holds the id of a visitor's session."
    )
    secret_key: Annotated[Texts, AfterValidator(_each_secret_key)] = Field(
        default=(),
        description="Key that encrypts sessions, of at least 32 random characters. Several may be given: the first "
        "encrypts, all decrypt. Set it by the environment, not by the command line, which other users of the machine "
        "can read.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    oidc_issuer: str = Field(
        default="",
        description="The OpenID provider where users log in, such as `https://login.example.com`: exactly as its "
        "metadata spell it. Used by `FluxLit(auth=OIDC.from_settings())`, as are the other settings of logins.",
    )
    oidc_preset: Literal["", "auth0", "entra", "github", "google", "keycloak", "okta"] = Field(
        default="", description="Fill in what is particular about a well-known provider."
    )
    oidc_client_id: str = Field(default="", description="Name of the application at the provider.")
    oidc_client_secret: str = Field(
        default="",
        description="Secret of the application at the provider. Set it by the environment.",
        repr=False,
        json_schema_extra={"secret": True},
    )
    oidc_client_key_file: str | None = Field(
        default=None,
        description="File with the application's private key (PEM or JWK), in place of a secret: `private_key_jwt`.",
    )
    oidc_scopes: Texts = Field(
        default=(), description="Scopes to ask for. Without them those of the preset, else `openid profile email`."
    )
    oidc_roles_claims: Texts = Field(
        default=(),
        description="Where the roles of a user are in the claims, nested names with dots between them: "
        "`realm_access.roles`. Without it where the preset's provider has them, else `roles` and `groups`.",
    )
    oidc_algorithms: Texts = Field(
        default=(),
        description="Signatures of tokens that are accepted. Without it all with a private key that are safe.",
    )
    oidc_leeway_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False, json_schema_extra={"unit": "seconds"})] = (
        Field(default=30.0, description="Time by which the clocks of provider and application may differ.")
    )
    oidc_logout_at_provider: bool = Field(
        default=True, description="End the session at the provider, too, when a user logs out."
    )
    login_idle_timeout_s: Seconds = Field(
        default=3600.0, description="Time after which a login that is not used ends. Work in an open page is use."
    )
    login_absolute_timeout_s: Seconds = Field(
        default=86400.0, description="Time after which a login ends however much it is used."
    )
    debug: bool = Field(
        default=False,
        description="Show tracebacks and more detail in logs and error pages. Not for production.",
    )
    allow_unified_uvicorn_multiworker: bool = Field(
        default=False, description="Start under `uvicorn --workers` above 1 all the same. Not supported."
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
        """Keep construction free of input from outside: `resolve` reads the layers, one by one."""
        return (init_settings,)
