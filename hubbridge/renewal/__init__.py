"""The bridge's own key and certificate: kept, asked for anew, tried and put in force."""
