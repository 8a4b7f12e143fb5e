"""Locks and dead properties in Redis: shared by all processes that serve one tree."""
