"""The description of the admin API, held to its standard and to a running gateway: ``make api-check``."""
