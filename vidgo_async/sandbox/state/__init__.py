"""What the server knows, without HTTP and without a clock.

- `account`: sells tasks for credits
- `tasks`: one sold task, and its state at any time
- `submissions`: the body of a submit
- `callbacks`: how the ends of tasks are reported
- `uploads`: the files that were uploaded, and how many are allowed
- `checks`: what all checks of a request share, and the refusal that they raise
"""
