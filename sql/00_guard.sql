-- pg_accumulator: accumulation registers for PostgreSQL

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_accumulator" to load this file. \quit
