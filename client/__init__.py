"""The package ``marginal-client``, and what its types are made by."""
