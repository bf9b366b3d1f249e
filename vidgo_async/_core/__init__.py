"""What all wings share: values, errors, policies of trying again; it imports nothing of the package."""
