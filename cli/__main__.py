"""``python -m bindsearch.cli``."""

from bindsearch.cli.main import main

main()
