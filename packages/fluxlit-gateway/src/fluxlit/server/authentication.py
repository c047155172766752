"""The authenticators of an application, configured, and their middleware."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from fluxlit import sessions
from fluxlit.auth.access_policy import AccessPolicy
from fluxlit.auth.contract import AuthContext, Authenticator, Described
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.errors import FluxLitError
from fluxlit.gateway import OriginPolicy, PublicOrigin
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.settings import Settings
from fluxlit.settings.contradictions import login_needs_key

NO_LOGIN = "without a login no user has roles. Give the application one: FluxLit(auth=...)."

OPERATIONS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def build_auth(application: AppDefinition, settings: Settings) -> AuthMiddleware | None:
    """The authentication middleware; `None` without a login.

    Raises:
        FluxLitError: an authenticator or the session store cannot work with these settings, or a page has roles that no
            user can have.
    """
    if not application.authenticators:
        application.pages.require_login(NO_LOGIN)
        return None
    if problem := login_needs_key(settings):
        raise FluxLitError(problem)
    context = AuthContext(settings, sessions.session_store, PublicOrigin.of(settings.public_base_url))
    for each in application.authenticators:
        try:
            each.bind(context)
        except FluxLitError:
            raise
        except Exception as error:  # another package's; its message is for the person who configured it
            raise FluxLitError(f"FluxLit(auth=...): {error}") from error
    # Sites with scripts that may call the API with the cookies of a user.
    scripts = settings.cors_allow_origins if settings.cors_allow_credentials else ()
    return AuthMiddleware(
        application.authenticators,
        rules_of(application, settings),
        origins=OriginPolicy.of((*settings.allowed_origins, *scripts), settings.public_base_url),
        callers=OriginPolicy.of(scripts, settings.public_base_url),
        api=settings.api_mount_path,
        documents=_documents(application.api, settings.api_mount_path),
        away=settings.streamlit_mode == "external",
    )


def rules_of(application: AppDefinition, settings: Settings) -> AccessPolicy:
    """What is public in an application, and what needs roles."""
    landing = application.pages.landing
    public: set[str] = set()
    roles: dict[str, frozenset[str]] = {}
    for record in application.pages:
        for path in {record.path, "/"} if record is landing else {record.path}:
            if record.public:
                public.add(path)
            elif record.roles:
                roles[path] = record.roles
    return AccessPolicy(
        pages=frozenset(public),
        roles=roles,
        paths=settings.public_paths,
        all_pages=all(record.public for record in application.pages),
        owners_known=settings.streamlit_mode != "external",
        preflights=bool(settings.cors_allow_origins),
    )


def secure_openapi(api: FastAPI, authenticators: Sequence[Authenticator], settings: Settings) -> None:
    """Add security schemes to the API's OpenAPI, for Swagger's Authorize.

    Args:
        api: the API; after a reload a new one.
        authenticators: those that are bound to the settings.
        settings: the effective settings.
    """
    add_security(api, security_schemes(authenticators), settings)


def security_schemes(authenticators: Sequence[Authenticator]) -> dict[str, dict[str, Any]]:
    """The security schemes of authenticators that are bound to the settings."""
    described = [each for each in authenticators if isinstance(each, Described)]
    return {name: dict(scheme) for each in described for name, scheme in each.security_schemes().items()}


def add_security(api: FastAPI, schemes: Mapping[str, Mapping[str, Any]], settings: Settings) -> None:
    """Add security schemes to the API's OpenAPI document."""
    if not schemes or getattr(api.openapi, "says_schemes", False):
        return
    plain: Callable[[], dict[str, Any]] = api.openapi
    public = tuple(path.removeprefix(settings.api_mount_path) for path in settings.public_paths)

    def openapi() -> dict[str, Any]:
        document = plain()
        document.setdefault("components", {}).setdefault("securitySchemes", {}).update(schemes)
        document["security"] = [{name: []} for name in schemes]
        for path, item in document.get("paths", {}).items():
            if path in public or any(each[-1:] == "/" and path.startswith(each) for each in public):
                for operation in OPERATIONS & item.keys():
                    item[operation].setdefault("security", [])
        return document

    openapi.says_schemes = True  # type: ignore[attr-defined]
    api.openapi = openapi  # type: ignore[method-assign]


def _documents(api: FastAPI, mount: str) -> frozenset[str]:
    return frozenset(mount + path for path in (api.docs_url, api.redoc_url) if path)
