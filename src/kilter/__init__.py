"""kilter: a real Kubernetes cluster for every repository, and one command to the shared platform."""

__version__ = "0.1.0"
