"""`python -m benchmark` is `wukong-bench`."""

from benchmark.cli import main

main()
