"""Login by browser: the flow, its attempts, the sessions that come of it, and the routes."""
