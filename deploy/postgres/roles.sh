#!/bin/sh
# Runs once, when PostgreSQL's data folder is new: the schema's owner and the two roles under row-level security.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set owner="$POSTGRES_OWNER_PASSWORD" --set worker="$POSTGRES_WORKER_PASSWORD" --set api="$POSTGRES_API_PASSWORD" <<'SQL'
CREATE ROLE battcrm_owner LOGIN NOBYPASSRLS CREATEDB PASSWORD :'owner';
CREATE ROLE battcrm_worker LOGIN NOBYPASSRLS PASSWORD :'worker';
CREATE ROLE battcrm_api LOGIN NOBYPASSRLS PASSWORD :'api';
GRANT pg_monitor, pg_signal_backend TO battcrm_owner;
CREATE DATABASE battcrm OWNER battcrm_owner;
REVOKE ALL ON DATABASE battcrm FROM PUBLIC;
GRANT CONNECT ON DATABASE battcrm TO battcrm_worker, battcrm_api;
SQL
