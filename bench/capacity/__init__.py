"""How many calls at once an agent bears while everything that was promised still holds."""
