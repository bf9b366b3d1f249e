"""The files that are served.

- `film`: what a video looks like, read from the input of its submit
- `mp4`, `h264`: make it, without an encoder
- `file_content`: the bytes of any file, and ranges of them
"""
