"""What the fuzz tests share."""

import hypothesis

# How long one example takes says how loaded the machine is, and nothing else.
hypothesis.settings.register_profile("kilter", deadline=None)
hypothesis.settings.load_profile("kilter")
