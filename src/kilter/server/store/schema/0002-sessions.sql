-- Browsers that are signed in to the portal; what the cookie holds is known here by its hash alone.

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY, -- SHA-256 of what the browser holds
    token_id TEXT NOT NULL, -- whose rights it has; revoked or over, so is the session
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
