"""The server's side of HTTP.

- `endpoints`: the calls of the API, and the bodies of their errors
- `request_bodies`: reading JSON and uploaded files
- `storage`: the file host: ranges, and links that expire
- `calls`: the record of each request
"""
