"""Run the command line: ``python -m crossgap``."""

from crossgap.cli import main

main()
