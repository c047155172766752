"""Authentication: contract, middleware, access policy, CSRF check."""
