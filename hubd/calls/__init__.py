"""What hubd answers on its local socket: a file a subject, beside each call its role."""
