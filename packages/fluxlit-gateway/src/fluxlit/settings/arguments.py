"""The settings as keyword arguments of `FluxLit(...)`, typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict


class SettingsArguments(TypedDict, total=False):
    """All settings but `title` and `target`, which `FluxLit` declares."""

    gateway_host: str
    gateway_port: int
    gateway_uds: str | None
    gateway_uds_mode: str
    gateway_fd: int | None
    tls_certificate: str | None
    tls_key: str | None
    tls_key_password: str | None
    tls_minimum_version: Literal["1.2", "1.3"]
    pidfile: str | None
    admin_port: int | None
    admin_host: str
    admin_uds: str | None
    admin_uds_mode: str
    log_level: Literal["debug", "info", "warning", "error", "critical"]
    log_format: Literal["text", "json"]
    root_path: str
    api_mount_path: str
    trust_proxy: bool
    forwarded_allow_ips: Sequence[str]
    public_base_url: str
    allowed_origins: Sequence[str]
    public_paths: Sequence[str]
    enable_security_headers: bool
    frame_options: Literal["SAMEORIGIN", "DENY", ""]
    referrer_policy: str
    hsts_max_age_s: int | None
    cors_allow_origins: Sequence[str]
    cors_allow_credentials: bool
    api_workers: int | Literal["auto"]
    api_before_start: str | None
    streamlit_open_routes: Sequence[str]
    streamlit_mode: Literal["workers", "embedded", "external"]
    streamlit_workers: int | Literal["auto"]
    streamlit_upstream: str | None
    streamlit_upstream_ca_file: str | None
    streamlit_upstream_server_name: str | None
    streamlit_start_timeout_s: float
    streamlit_hung_timeout_s: float
    worker_max_memory: str | int | None
    worker_max_age_s: float | None
    worker_max_requests: int | None
    streamlit_options: dict[str, Any]
    streamlit_page_config: dict[str, Any]
    system_page_template: str | None
    gateway_via: str
    gateway_upstream_connect_timeout_s: float
    gateway_upstream_read_timeout_s: float
    gateway_max_proxy_request_body_bytes: int
    gateway_max_concurrent_upstream_http: int
    gateway_max_connections: int
    gateway_max_connections_per_address: int
    gateway_keep_alive_timeout_s: float
    gateway_max_request_head_bytes: int
    gateway_ws_open_timeout_s: float
    gateway_ws_ping_interval_s: float
    gateway_ws_ping_timeout_s: float
    gateway_ws_close_timeout_s: float
    gateway_ws_max_message_bytes: int
    gateway_ws_max_client_message_bytes: int
    gateway_ws_compression: bool
    uvicorn_graceful_shutdown_timeout_s: float
    gateway_drain_delay_s: float
    api_shutdown_timeout_s: float
    enable_gateway_access_log: bool
    enable_request_logging: bool
    enable_tracing: bool
    session_store: str | None
    restore_sessions: bool
    restore_on_reload: bool
    url_session_query_param: str
    secret_key: str | Sequence[str]
    oidc_issuer: str
    oidc_metadata_url: str
    oidc_preset: Literal["", "auth0", "cognito", "entra", "github", "google", "keycloak", "okta"]
    oidc_client_id: str
    oidc_client_secret: str
    oidc_client_key_file: str | None
    oidc_client_auth: Literal["auto", "client_secret_basic", "client_secret_post", "private_key_jwt"]
    oidc_pushed_requests: Literal["auto", "off", "required"]
    oidc_userinfo: Literal["auto", "off", "required"]
    oidc_scopes: Sequence[str]
    oidc_roles_claims: Sequence[str]
    oidc_algorithms: Sequence[str]
    oidc_leeway_s: float
    oidc_logout_at_provider: bool
    login_idle_timeout_s: float
    login_absolute_timeout_s: float
    allow_unified_uvicorn_multiworker: bool
