"""Login by browser: flows, routes, and login sessions."""
