-- Which word of the cluster the status is, so that one of before does not come back.

ALTER TABLE environments ADD COLUMN object_version BIGINT;
