"""Make `python -m benchmark` run `wukong-bench`."""

from benchmark.cli.main import main

main()
