// Ledgers against a real server, and what the compiler knows of one.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import type pg from "pg";

import {
  AccountError,
  AccumulatorClient,
  ClosedPeriodError,
  InvalidArgumentError,
  LedgerHandle,
  LimitError,
  type Subconto,
  WrongKindError,
  defineRegister,
} from "../src/index.js";
import { PrivateServer } from "./server.js";

const gl = defineRegister({
  name: "gl",
  kind: "ledger",
  dimensions: { currency: { type: "text", required: true }, branch: "integer" },
  resources: { amount: "numeric(18,2)", pieces: { type: "integer", balanced: false } },
  attributes: { note: "text" },
  timeZone: "Europe/Berlin",
  chart: "strict",
});

// Types that the compiler derives; this file does not compile if they are wrong.
type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}
type Books = ReturnType<typeof booksOf>;
type Result<T extends (...args: never[]) => Promise<unknown>> = Awaited<ReturnType<T>>;

function booksOf(client: AccumulatorClient) {
  return client.use(gl);
}

same<Result<Books["balance"]>["amount_balance"], string>(true);
same<keyof Result<Books["balances"]>[number],
  | "account" | "subconto" | "currency" | "branch"
  | "amount_dr" | "amount_cr" | "pieces_dr" | "pieces_cr"
>(true);
same<keyof Result<Books["correspondence"]>[number],
  "account_dr" | "account_cr" | "currency" | "branch" | "amount" | "pieces_dr" | "pieces_cr"
>(true);
same<Result<Books["trialBalance"]>[number]["pieces_closing_cr"], string>(true);
same<Result<Books["trialBalance"]>[number]["account_name"], string | null>(true);
same<Result<Books["accountStatement"]>[number]["corr_subconto"], Subconto>(true);
same<Result<Books["movements"]>[number]["branch"], number | null>(true);

const eur = { currency: "EUR", branch: null } as const;

/** Never called: each line must be refused by the compiler. */
export async function refused(books: Books): Promise<void> {
  const good = { recorder: "a", period: "2026-01-01", ...eur } as const;
  const pair = { ...good, account_dr: "51", account_cr: "60" } as const;
  // @ts-expect-error a resource with a value for each side
  await books.post({ ...pair, pieces: 1 });
  // @ts-expect-error a resource with one value
  await books.post({ ...pair, amount_dr: 1 });
  // @ts-expect-error one account is missing
  await books.post({ ...good, account_dr: "51" });
  // @ts-expect-error a dimension is missing
  await books.post({ recorder: "a", period: "2026-01-01", account_dr: "1", account_cr: "2" });
  // @ts-expect-error a subconto is flat
  await books.post({ ...pair, subconto_dr: { customer: { id: 1 } } });
  // @ts-expect-error a line has one side
  await books.post({ ...good, entries: [{ account: "51", debit: {}, credit: {} }] });
  // @ts-expect-error an unknown resource
  await books.post({ ...good, entries: [{ account: "51", debit: { amounts: 1 } }] });
  // @ts-expect-error an account needs a name
  await books.accountStatement();
  // @ts-expect-error ledgers have no receipts and expenses
  books.statement;
  // @ts-expect-error a ledger has no history
  defineRegister({ name: "x", kind: "ledger", dimensions: {}, resources: {}, history: true });
}

describe("a ledger", () => {
  let server: PrivateServer;
  let pool: pg.Pool;
  let client: AccumulatorClient;
  let books: Books;

  before(async () => {
    server = await PrivateServer.start();
    pool = await server.pool();
    client = new AccumulatorClient(pool);
  });
  after(async () => {
    await pool.end();
    await server.stop();
  });
  beforeEach(async () => {
    await client.createRegister(gl);
    await pool.query(`INSERT INTO accum.gl_accounts (account, name) VALUES
      ('41', 'Goods'), ('51', 'Bank'), ('60', 'Suppliers'), ('62', 'Customers'),
      ('62.01', 'Invoices')`);
    books = booksOf(client);
    const count = await books.post([
      { recorder: "delivery:1", period: "2026-05-01", ...eur, entries: [
        { account: "41", debit: { amount: 70, pieces: 7 } },
        { account: "41", debit: { amount: "30", pieces: 3 } },
        { account: "60", subconto: { supplier: "A" }, credit: { amount: 100n } },
      ] },
      { recorder: "invoice:1", period: "2026-05-03", ...eur, account_dr: "62.01",
        subconto_dr: { customer: 412, rate: 1.5 }, account_cr: "41", amount: 1000, pieces_cr: 5,
        note: "first" },
      payment,
    ]);
    assert.equal(count, 4);
  });
  afterEach(async () => {
    await client.dropRegister("gl", { force: true });
  });

  const payment = {
    recorder: "payment:1", period: new Date("2026-05-20T12:00:00Z"), ...eur, account_dr: "51",
    account_cr: "62.01", subconto_cr: { rate: 1.5, customer: 412 }, amount: "400.25",
  };
  const may = { from: "2026-05-01", to: "2026-05-31" } as const;
  const none = { pieces_dr: "0", pieces_cr: "0" } as const;

  test("has balances of accounts", async () => {
    assert.ok(books instanceof LedgerHandle);
    assert.deepEqual(await books.balance("41"), {
      amount_dr: "100.00", amount_cr: "1000.00", amount_balance: "-900.00",
      pieces_dr: "10", pieces_cr: "5", pieces_balance: "5",
    });
    const customer = { subconto: { customer: 412 } };
    assert.equal((await books.balance("62", customer)).amount_balance, "599.75");
    assert.equal((await books.balance("62", { at: "2026-05-19" })).amount_cr, "0.00");
    assert.equal((await books.balance("62", { at: payment.period })).amount_cr, "400.25");
    assert.equal((await books.balance(null, { where: { branch: 1 } })).amount_dr, "0.00");
    const cells = await books.balances({ at: "2026-05-02" });
    cells.sort((one, other) => one.account.localeCompare(other.account));
    assert.deepEqual(cells, [
      { account: "41", subconto: {}, ...eur, amount_dr: "100.00", amount_cr: "0.00",
        pieces_dr: "10", pieces_cr: "0" },
      { account: "60", subconto: { supplier: "A" }, ...eur, amount_dr: "0.00",
        amount_cr: "100.00", ...none },
    ]);
  });

  test("has a trial balance", async () => {
    const rows = await books.trialBalance({ from: "2026-05-02", to: "2026-05-31" });
    assert.deepEqual(rows.map((row) => row.account), ["41", "51", "60", "62.01"]);
    assert.deepEqual(rows[0], {
      account: "41", account_name: "Goods", ...eur,
      amount_opening_dr: "100.00", amount_opening_cr: "0.00", amount_turnover_dr: "0.00",
      amount_turnover_cr: "1000.00", amount_closing_dr: "0.00", amount_closing_cr: "900.00",
      pieces_opening_dr: "10", pieces_opening_cr: "0", pieces_turnover_dr: "0",
      pieces_turnover_cr: "5", pieces_closing_dr: "5", pieces_closing_cr: "0",
    });
    const rolledUp = await books.trialBalance({ level: 1, where: { currency: "EUR" } });
    assert.equal(rolledUp[3]?.account_name, "Customers");
    assert.deepEqual(await books.trialBalance({ where: { branch: 5 } }), []);
  });

  test("has statements of accounts", async () => {
    const lines = await books.accountStatement("62", { ...may, subconto: { customer: 412 } });
    assert.equal(lines.length, 2);
    const { id, ...line } = lines[1]!;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(line, {
      period: payment.period, recorder: "payment:1", account: "62.01",
      subconto: { customer: 412, rate: 1.5 }, corr_account: "51", corr_subconto: {}, ...eur,
      amount_dr: "0.00", amount_cr: "400.25", amount_balance: "599.75", ...none,
      pieces_balance: "0",
    });
    assert.deepEqual(await books.accountStatement("62", { from: "2026-05-04" }), [lines[1]]);
    assert.deepEqual(await books.accountStatement("62", { where: { branch: 5 } }), []);
  });

  test("has pairs of accounts, and turnovers", async () => {
    assert.deepEqual(await books.correspondence({ ...may, where: { account: "41" } }), [
      { account_dr: "41", account_cr: "60", ...eur, amount: "100.00", pieces_dr: "10",
        pieces_cr: "0" },
      { account_dr: "62.01", account_cr: "41", ...eur, amount: "1000.00", pieces_dr: "0",
        pieces_cr: "5" },
    ]);
    const groupBy = ["account", "subconto"] as const;
    assert.deepEqual(await books.turnover({ ...may, groupBy, where: { account: "60" } }), [
      { account: "60", subconto: { supplier: "A" }, amount_dr: "0.00", amount_cr: "100.00",
        ...none },
    ]);
    const [exactly] = await books.turnover({ where: { subconto: payment.subconto_cr } });
    assert.equal(exactly?.amount_cr, "400.25");
  });

  test("has documents", async () => {
    const [invoice] = await books.movements({ recorder: "invoice:1" });
    assert.deepEqual(
      [invoice?.account_dr, invoice?.subconto_dr, invoice?.amount, invoice?.pieces_cr,
        invoice?.note],
      ["62.01", { customer: 412, rate: 1.5 }, "1000.00", "5", "first"],
    );
    assert.equal((await books.movements({ limit: 2, offset: 1 })).length, 2);
    assert.equal((await books.movements({ where: { account: "62.01" } })).length, 2);
    const [cell] = await books.preview("payment:1");
    assert.deepEqual(cell, {
      dimensions: { account: "51", subconto: {}, ...eur },
      before: { amount_dr: "400.25", amount_cr: "0.00", ...none },
      after: { amount_dr: "0.00", amount_cr: "0.00", ...none },
      brokenLimits: [],
      closed: false,
    });
    assert.equal(await books.repost("payment:1", { ...payment, amount: 500 }), 1);
    assert.equal((await books.balance("51")).amount_dr, "500.00");
    assert.equal(await books.unpost(["payment:1", "invoice:1"]), 2);
    assert.equal(await books.debitsEqualCredits(), true);
    assert.deepEqual((await books.verify()).map((row) => row.status), Array(4).fill("OK"));
  });

  test("is altered", async () => {
    await client.alterRegister("gl", {
      addResources: { boxes: { type: "integer", balanced: false } },
    });
    const wider = client.use(defineRegister({
      ...gl,
      resources: { ...gl.resources, boxes: { type: "integer", balanced: false } },
    }));
    await wider.post({ ...payment, recorder: "b", boxes_dr: 3 });
    assert.equal((await wider.balance("51")).boxes_balance, "3");
    assert.equal((await client.registerInfo("gl"))["chart"], "strict");
  });

  test("reports errors by SQLSTATE and fields", async () => {
    const good = { ...payment, recorder: "x" };
    await assert.rejects(books.post({ ...good, account_dr: "99" }), AccountError);
    await assert.rejects(books.post({ ...good, account_dr: "62" }), (error) =>
      error instanceof AccountError && error.constraint === "account_group" &&
      error.table === "gl_accounts");
    const { account_dr: _, account_cr: __, subconto_cr: ___, amount: ____, ...document } = good;
    await assert.rejects(
      books.post({ ...document, entries: [
        { account: "51", debit: { amount: 1 } },
        { account: "60", credit: { amount: 2 } },
      ] }),
      InvalidArgumentError,
    );
    await client.alterRegister("gl", {
      limits: [{ name: "no_overdraft", check: "account <> '51' OR amount_dr >= amount_cr" }],
    });
    await assert.rejects(
      books.post({ ...good, account_dr: "60", account_cr: "51", amount: 500 }), LimitError);
    await books.closeThrough("2026-05-31", { account: "51" });
    await assert.rejects(books.post(good), ClosedPeriodError);
    assert.equal(await books.post({ ...good, account_dr: "60" }), 1);
    const old = { ...gl, name: "old", history: true };
    await assert.rejects(client.createRegister(old), WrongKindError);
  });
});
