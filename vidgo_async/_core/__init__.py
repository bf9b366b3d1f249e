"""What all wings share: values, errors, policies of trying again; it imports no other wing."""
