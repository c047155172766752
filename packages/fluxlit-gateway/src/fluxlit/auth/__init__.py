"""Authentication: the contract with authenticators, the middleware that asks them, and what it enforces."""
