"""The command line, `vidgo-async`: a thin layer of words over `VidgoSession`.

- `program`: the names of the commands and their help; each is loaded only when it runs
- `options`: the options that several commands have; `config`: where they come from
- `commands`: the commands
- `inputs`: prompts and files become checked rows
- `running`: the server, the journal, the batch, its cost, the signals
- `outputs`: lines, tables, JSON, the summary
"""
