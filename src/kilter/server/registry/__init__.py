"""The word that the platform's registry trusts: keys, signed tokens, push credentials. No request is known here."""
