"""Files that are no tables: what editors, file managers and synchronisers write beside them."""

from gateway.scratch.folder import Folder
from gateway.scratch.names import ROOT, certain, junk, segments
from gateway.scratch.store import Scratch, default_directory

__all__ = ["ROOT", "Folder", "Scratch", "certain", "default_directory", "junk", "segments"]
