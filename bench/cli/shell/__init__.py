"""Between the shell and a command: values as they are typed."""
