"""The server of a site, page by page, as browsers and people meet it."""
