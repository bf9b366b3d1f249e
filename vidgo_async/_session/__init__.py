"""`VidgoSession`, and what it is made of."""
