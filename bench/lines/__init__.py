"""How the caller reaches an agent: one file a protocol, bytes in and messages out."""
