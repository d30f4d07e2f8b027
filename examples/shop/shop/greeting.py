"""The line to change when you want to see a live update."""

GREETING = "Welcome to the shop"
