"""What the gateway is measured against: each peer is one small program."""
