// pg-accumulator: registers of pg_accumulator for node-postgres.

export * from "./client.js";
export * from "./errors.js";
export type { Finding, Preview, Right } from "./handle.js";
export type * from "./ledger.js";
export { LedgerHandle } from "./ledger_handle.js";
export type * from "./register.js";
export { defineRegister } from "./register.js";
export { RegisterHandle } from "./register_handle.js";
export { Parameters } from "./sql.js";
