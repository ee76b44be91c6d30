"""How far a run is: on the terminal, in a notebook, and in the loggers of other tools."""
