"""What any duplex model is, and its child process: protocol, engine, stages."""
