"""Processes that use the product as its users do, and tell how long it took."""

import django

django.setup()
