"""Keep one child process alive, of any program."""
