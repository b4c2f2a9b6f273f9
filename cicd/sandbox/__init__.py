"""An embedded environment that speaks the real wire protocols on loopback."""
