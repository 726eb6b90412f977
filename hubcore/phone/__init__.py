"""The protocol between phone and hub, from the frame to the handshake (docs/protocol.md)."""
