"""The administrator's side of the platform: installing it, looking at it, removing it, letting people in."""
