// pg-accumulator: registers of pg_accumulator for node-postgres.

export * from "./client.js";
export * from "./errors.js";
export type * from "./register.js";
export { defineRegister } from "./register.js";
export { Parameters } from "./sql.js";
