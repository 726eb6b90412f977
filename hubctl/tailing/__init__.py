"""What `hubctl tail` asks for, and the events that it finds in the journal while hubd is down."""
