"""Annotations in files that other programs write and read, one module for each format; no platform is asked."""
