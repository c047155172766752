"""Sessions that go on in another process."""

from fluxlit.worker.resume.copying import Copying
from fluxlit.worker.resume.start import Resumption, set_up, wanted

__all__ = ["Copying", "Resumption", "set_up", "wanted"]
