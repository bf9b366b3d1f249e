"""What is told: lines, tables, JSON, the summary, and what is paid for and not saved."""
