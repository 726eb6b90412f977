"""GPIO lines and the inputs on them."""
