"""Leaf helpers that import nothing else of FluxLit but its errors."""
