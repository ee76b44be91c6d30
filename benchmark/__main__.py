"""`python -m benchmark` is `wukong-bench`."""

from benchmark.cli.main import main

main()
