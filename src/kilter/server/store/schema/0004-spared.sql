-- Until when none of a project's images is removed: somebody pushes, perhaps one that is there already.

CREATE TABLE spared (
    org TEXT NOT NULL,
    app TEXT NOT NULL,
    push_id TEXT NOT NULL,
    spared_until BIGINT NOT NULL,
    PRIMARY KEY (org, app, push_id)
);
