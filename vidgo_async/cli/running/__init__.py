"""Running a job: the server, the journal, the batch, its cost, and the signals that end it."""
