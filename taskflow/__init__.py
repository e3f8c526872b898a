"""TaskFlow: the tasks of many users, behind a REST API that obeys its contract."""

import warnings

# Connexion 3.3 imports Starlette's test client, which complains about its own dependency to whoever started the server.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
