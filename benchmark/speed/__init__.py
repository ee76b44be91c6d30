"""Speed measurements of the suite, compared with FuxiCTR where that is installed."""
