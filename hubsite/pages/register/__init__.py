"""Pages of people, groups, doors, hours and grants: lists and forms, one way for all of them."""
