"""What people see: directories, the description of the service, what an error means."""

from gateway.pages.explanation import description, problem
from gateway.pages.listing import html, json

__all__ = ["description", "html", "json", "problem"]
