"""What the sandbox knows: pure state, without HTTP and without a clock."""
