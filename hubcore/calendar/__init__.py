"""When something holds: schedules by the wall clock at the door, and how bytes hold them."""
