"""wsgidav over a folder of files, behind the same server as the gateway.

python -m benchmarks.peers.wsgidav_files FOLDER
"""

from __future__ import annotations

import sys

from a2wsgi import WSGIMiddleware
from wsgidav.wsgidav_app import WsgiDAVApp

from benchmarks.peers.serving import serve

if __name__ == "__main__":
    serve(
        WSGIMiddleware(
            WsgiDAVApp(
                {
                    "provider_mapping": {"/": sys.argv[1]},
                    "simple_dc": {"user_mapping": {"*": True}},
                    "logging": {"enable": False},
                    "verbose": 0,
                }
            )
        )
    )
