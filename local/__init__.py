"""Running Marginal on one's own machine: ``./run`` and ``./check``. Not deployed to Azure."""
