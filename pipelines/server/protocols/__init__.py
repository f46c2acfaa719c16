"""The server's half of each wire protocol, without sockets: messages in; messages, commands out."""
