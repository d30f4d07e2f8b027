-- When the images of a deleted environment are to be removed from the registry; none once that is done.

ALTER TABLE environments ADD COLUMN images_due_at BIGINT;

UPDATE environments SET images_due_at = deleted_at WHERE deleted_at IS NOT NULL;
