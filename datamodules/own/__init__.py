"""Data sets that a user brings as files: csv, csv.gz, tsv or Parquet, with a declaration in TOML or one drafted from a sample.

`declaration` says what the .toml may say, `paths` which files belong together, `scan` reads them, `kinds` guesses the kind of
each column, `draft` puts guesses and declaration together, `prepare` turns raw columns into fields, `split` makes the parts,
`module` is the data module, `leaks` and `drift` say what looks wrong.
"""
