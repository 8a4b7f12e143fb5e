"""The WebDAV front door: every method without a data body, answered natively."""
