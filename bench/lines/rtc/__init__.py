"""The process that speaks WebRTC for the caller, and its messages."""
