-- Moments are microseconds since 1970; documents are JSON; truth values are 0 and 1. SQLite and PostgreSQL both read it.

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL, -- SHA-256 of the secret
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE TABLE device_codes (
    digest TEXT PRIMARY KEY, -- SHA-256 of what the device holds
    user_code TEXT NOT NULL UNIQUE,
    client_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    polled_at BIGINT,
    approver_id TEXT -- token of the person who approved
);

CREATE TABLE environments (
    org TEXT NOT NULL,
    app TEXT NOT NULL,
    env TEXT NOT NULL,
    env_class TEXT NOT NULL,
    object_name TEXT UNIQUE, -- of the KilterApp; none once deleted
    host TEXT UNIQUE, -- the public one, kept until deleted
    sequence BIGINT NOT NULL, -- the last one given out; never starts again
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    status TEXT, -- the KilterApp's, as last seen
    status_at BIGINT,
    PRIMARY KEY (org, app, env)
);

CREATE TABLE deploys (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    app TEXT NOT NULL,
    env TEXT NOT NULL,
    operation TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    actor TEXT NOT NULL,
    token_id TEXT NOT NULL,
    spec TEXT NOT NULL, -- the KilterApp's
    url TEXT,
    migrates BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    claimed_until BIGINT, -- a replica is handing it to the cluster until then
    applied_at BIGINT, -- the cluster has it
    written_at BIGINT, -- its cluster writes are done: the next one may begin
    finished_at BIGINT,
    failure TEXT,
    superseded_by TEXT,
    idempotency TEXT UNIQUE, -- of no use any more; servers before this one write it
    UNIQUE (org, app, env, sequence)
);

CREATE INDEX deploys_open ON deploys (org, app, env, sequence) WHERE written_at IS NULL;

CREATE TABLE events (
    deploy_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (deploy_id, number)
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY, -- in order of time
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    token_id TEXT NOT NULL,
    action TEXT NOT NULL,
    org TEXT,
    app TEXT,
    env TEXT,
    deploy_id TEXT,
    status BIGINT NOT NULL, -- 0 until answered
    code TEXT,
    overrides TEXT NOT NULL,
    request_id TEXT NOT NULL
);

CREATE TABLE idempotency (
    token_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT, -- none while being answered
    body TEXT, -- none when the answer held a secret
    PRIMARY KEY (token_id, idempotency_key)
);
