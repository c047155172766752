"""Sessions that go on in another process: what a worker does for those it has, and for those it has not."""

from fluxlit.worker.resume.copying import Copying
from fluxlit.worker.resume.start import Resumption, set_up, wanted

__all__ = ["Copying", "Resumption", "set_up", "wanted"]
