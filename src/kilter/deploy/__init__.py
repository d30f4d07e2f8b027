"""The client's side of the platform: log in, build, push, submit, follow. The only HTTP client of kilter."""
