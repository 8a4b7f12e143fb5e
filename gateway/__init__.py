"""The gateway: the tree of a database over HTTP and WebDAV, and one endpoint for queries."""
