"""Orders of the site: signed by its own key, carried by its bridge, judged and recorded here."""
