"""What is to be generated: prompts and files become checked rows, and rows have names."""
