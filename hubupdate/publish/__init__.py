"""What the people who release work with: keys, signed lists and plans. No hub runs any of it."""
