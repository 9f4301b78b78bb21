"""Django's PostgreSQL engine that finds out for nothing whether the server is still there. Used as an ENGINE."""
