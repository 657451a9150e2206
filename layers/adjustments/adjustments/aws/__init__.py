"""Adapters to AWS services, and the event models and answers of the functions."""
