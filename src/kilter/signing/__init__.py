"""Keys and signed texts: what the server and the operator say in the platform's name, and how it is recognised."""
