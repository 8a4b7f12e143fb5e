"""Directory listings, as a page for people and as JSON for programs."""

from gateway.pages.listing import html, json

__all__ = ["html", "json"]
