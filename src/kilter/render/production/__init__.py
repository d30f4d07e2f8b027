"""A release on a shared cluster, as text: an AppRelease and the platform's settings in, the manifests out.

`chart_jobs` says what helm must render, `manifests.rendered` turns the charts' texts into files for git and into the
Secrets that must stay out of it. Nothing here knows a cluster: what is taken, granted or installed comes in as data.
"""
