"""A sweep on a Ray cluster: `node` plays on each machine, `driver` alone speaks to Ray."""
