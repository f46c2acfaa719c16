"""An agent that is a server elsewhere: reached by its address, over its own protocol."""
