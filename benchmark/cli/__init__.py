"""The command line: one file per group of commands; a command imports its heavy dependencies when it runs."""
