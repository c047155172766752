"""One value for every setting, in the form that each layer has for it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sample:
    """A value as written and as read.

    Attributes:
        toml: the right-hand side in a TOML file.
        text: the text of a variable or an option.
        value: what comes out.
    """

    toml: str
    text: str
    value: Any


def number(value: int) -> Sample:
    return Sample(str(value), str(value), value)


def seconds(value: float) -> Sample:
    return Sample(f"{value:g}", f"{value:g}", float(value))


def word(value: str) -> Sample:
    return Sample(f'"{value}"', value, value)


KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
TRUE = Sample("true", "yes", True)
FALSE = Sample("false", "no", False)

SAMPLES = {
    "title": word("Portal"),
    "target": word("main:portal"),
    "gateway_host": word("0.0.0.0"),
    "gateway_port": number(0),
    "gateway_uds": word("/run/portal.sock"),
    "gateway_uds_mode": word("600"),
    "gateway_fd": number(3),
    "tls_certificate": word("/etc/tls/cert.pem"),
    "tls_key": word("/etc/tls/key.pem"),
    "tls_key_password": word("swordfish"),
    "tls_minimum_version": word("1.3"),
    "pidfile": word("/run/portal.pid"),
    "admin_port": number(9100),
    "admin_host": word("::1"),
    "admin_uds": word("/run/portal-admin.sock"),
    "admin_uds_mode": word("600"),
    "log_level": Sample('"DEBUG"', "Debug", "debug"),
    "log_format": word("json"),
    "root_path": word("/apps/my-app"),
    "api_mount_path": word("/rest/v1"),
    "trust_proxy": TRUE,
    "forwarded_allow_ips": Sample('["10.0.0.0/8", "::1"]', "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
    "public_base_url": Sample('"https://Example.com/"', "https://example.com", "https://example.com"),
    "allowed_origins": Sample('["https://a.example"]', '["https://a.example"]', ("https://a.example",)),
    "public_paths": Sample('["/api/hook", "/app/static/"]', "/api/hook, /app/static/", ("/api/hook", "/app/static/")),
    "enable_security_headers": FALSE,
    "frame_options": word("DENY"),
    "referrer_policy": word("no-referrer"),
    "hsts_max_age_s": number(86400),
    "cors_allow_origins": Sample('["https://a.example"]', '["https://a.example"]', ("https://a.example",)),
    "cors_allow_credentials": TRUE,
    "api_workers": number(2),
    "api_before_start": word("app.migrations:upgrade"),
    "worker_max_memory": word("1.5G"),
    "worker_max_age_s": seconds(86400.0),
    "worker_max_requests": number(10000),
    "streamlit_open_routes": Sample('["metrics"]', "metrics", ("metrics",)),
    "streamlit_mode": word("embedded"),
    "streamlit_workers": number(4),
    "streamlit_upstream": Sample('"http://ui:8501/"', "http://ui:8501", "http://ui:8501"),
    "streamlit_upstream_ca_file": word("/etc/tls/ca.pem"),
    "streamlit_upstream_server_name": word("ui.internal"),
    "streamlit_start_timeout_s": seconds(12.5),
    "streamlit_hung_timeout_s": seconds(7.5),
    "streamlit_options": Sample(
        '{server = {maxUploadSize = 5}, "theme.base" = "dark"}',
        '{"server.maxUploadSize": 5, "theme.base": "dark"}',
        {"server.maxUploadSize": 5, "theme.base": "dark"},
    ),
    "system_page_template": word("pages/system.html"),
    "streamlit_page_config": Sample('{layout = "wide"}', '{"layout": "wide"}', {"layout": "wide"}),
    "gateway_via": word("portal-3"),
    "gateway_upstream_connect_timeout_s": seconds(1.5),
    "gateway_upstream_read_timeout_s": seconds(2.5),
    "gateway_max_proxy_request_body_bytes": number(1000),
    "gateway_max_concurrent_upstream_http": number(8),
    "gateway_max_connections": number(500),
    "gateway_max_connections_per_address": number(50),
    "gateway_keep_alive_timeout_s": seconds(17),
    "gateway_max_request_head_bytes": number(32_768),
    "gateway_ws_open_timeout_s": seconds(3),
    "gateway_ws_ping_interval_s": seconds(4),
    "gateway_ws_ping_timeout_s": seconds(6),
    "gateway_ws_close_timeout_s": seconds(7),
    "gateway_ws_max_message_bytes": number(1),
    "gateway_ws_max_client_message_bytes": number(2),
    "gateway_ws_compression": TRUE,
    "uvicorn_graceful_shutdown_timeout_s": seconds(0),
    "gateway_drain_delay_s": seconds(1.5),
    "api_shutdown_timeout_s": seconds(3),
    "enable_gateway_access_log": TRUE,
    "enable_request_logging": TRUE,
    "enable_tracing": TRUE,
    "session_store": word("redis://ada:swordfish@redis:6379/1"),
    "restore_sessions": FALSE,
    "restore_on_reload": FALSE,
    "url_session_query_param": word("sid"),
    "secret_key": Sample(f'["{KEY}"]', KEY, (KEY,)),
    "oidc_issuer": word("https://login.example.com"),
    "oidc_metadata_url": word("https://keycloak/realms/staff/.well-known/openid-configuration"),
    "oidc_preset": word("keycloak"),
    "oidc_client_id": word("portal"),
    "oidc_client_secret": word(KEY),
    "oidc_client_key_file": word("/run/secrets/client.pem"),
    "oidc_client_auth": word("client_secret_post"),
    "oidc_pushed_requests": word("off"),
    "oidc_userinfo": word("required"),
    "oidc_scopes": Sample('["openid", "email"]', "openid, email", ("openid", "email")),
    "oidc_roles_claims": Sample('["realm_access.roles"]', "realm_access.roles", ("realm_access.roles",)),
    "oidc_algorithms": Sample('["ES256"]', "ES256", ("ES256",)),
    "oidc_leeway_s": seconds(10),
    "oidc_logout_at_provider": FALSE,
    "login_idle_timeout_s": seconds(600),
    "login_absolute_timeout_s": seconds(7200),
    "allow_unified_uvicorn_multiworker": TRUE,
}
