"""The pictures on the surfaces of things: all drawn by rules, none of them a photograph."""
