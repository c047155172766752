"""Every name of Streamlit that is not public, and what is built on it."""
