"""`python -m editfhf`."""

from editfhf.cli import main

main()
