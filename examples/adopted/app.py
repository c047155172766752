from fluxlit import FluxLit
from service import api

app = FluxLit(title="Weather", api=api, ui="dashboard.py")
