"""What can be asked on the command line, a file for each command: options, and errors in them, told at once.

Nothing here imports torch before the arguments are known to be right: it takes seconds to load. The work is done by
the modules above, each imported by its command when it is called.
"""
