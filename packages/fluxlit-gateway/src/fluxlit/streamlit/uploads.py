# ruff: noqa: SLF001
"""What a session may upload: its uploaders, and the files that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxlit.streamlit.feature import Feature
from fluxlit.streamlit.session_manager import attached

if TYPE_CHECKING:
    from streamlit.runtime import Runtime

_SESSION_STATE = "streamlit.runtime.state.session_state:SessionState"
_METADATA = "streamlit.runtime.state.common:WidgetMetadata"

UPLOADS = Feature(
    "limits of uploads",
    off="Pages without an uploader take uploads too, and a session may keep any number of them.",
    names=(
        "streamlit.runtime.runtime:Runtime._session_mgr",
        "streamlit.runtime.runtime:Runtime._uploaded_file_mgr",
        "streamlit.runtime.websocket_session_manager:WebsocketSessionManager.get_session_info",
        "streamlit.runtime.app_session:AppSession._session_state",
        f"{_SESSION_STATE}._new_widget_state",
        f"{_METADATA}.value_type",
        f"{_METADATA}.deserializer",
        "streamlit.runtime.memory_uploaded_file_manager:MemoryUploadedFileManager.file_storage",
        "streamlit.elements.widgets.chat:ChatInputSerde.accept_files",
        "streamlit.elements.widgets.chat:ChatInputSerde.accept_audio",
    ),
)

UPLOADING = "file_uploader_state_value"
CHAT = "chat_input_value"


def has_uploader(runtime: Runtime, session_id: str) -> bool:
    """Whether a session has shown a widget that uploads files.

    Yes for an unknown session, which Streamlit refuses itself, for one that was restored and has not run yet, and
    while that is off.
    """

    def look() -> bool:
        info: Any = runtime._session_mgr.get_session_info(session_id)
        if info is None or attached(info.session, "restored"):
            return True
        # Streamlit keeps this of every widget that the session has shown, also of other pages.
        known = info.session._session_state._new_widget_state.widget_metadata
        return any(_uploads(metadata) for metadata in tuple(known.values()))

    return UPLOADS.attempt(look, otherwise=True)


def kept_sizes(runtime: Runtime, session_id: str) -> dict[str, int]:
    """The bytes of each file that a session keeps; none while that is off."""

    def look() -> dict[str, int]:
        manager: Any = runtime._uploaded_file_mgr
        return {name: len(file.data) for name, file in tuple(manager.file_storage.get(session_id, {}).items())}

    return UPLOADS.attempt(look, otherwise={})


def _uploads(metadata: Any) -> bool:
    if metadata.value_type == CHAT:
        serde = getattr(metadata.deserializer, "__self__", None)
        return bool(getattr(serde, "accept_files", True) or getattr(serde, "accept_audio", True))
    return bool(metadata.value_type == UPLOADING)
