"""The dashboard: pages drawn on the server, no script, no font or file from elsewhere."""

from observability.dashboard.app import create_app
from observability.dashboard.pages import render_static

__all__ = ["create_app", "render_static"]
