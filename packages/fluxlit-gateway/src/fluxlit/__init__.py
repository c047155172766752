"""FastAPI and Streamlit on one port: the FluxLit object, the gateway, the proxy and the supervised Streamlit workers."""
