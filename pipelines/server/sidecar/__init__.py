"""The sidecar: one contract for programs of this machine, over HTTP and over a Unix socket."""
