"""The OpenAPI document, made from the tables that the code itself runs on."""

from gateway.openapi.document import document
from gateway.openapi.responses import operations

__all__ = ["document", "operations"]
