"""The command line, `vidgo-async`: a thin layer of words over `VidgoSession`.

`program` names the commands, and loads `commands` only when one of them runs. `arguments` turns
what was typed into requests; `run` runs a job on a session, and `signals` ends it early. `report`
prints what happens and saves files, `unsaved` keeps what was paid for and is not saved, `retries`
prints failures that the library tries again, and `console` writes lines.
"""
