// Every verb against a real server, and what the compiler knows of a register.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import type pg from "pg";

import {
  AccumulatorClient,
  ArchivedError,
  ClosedPeriodError,
  ConflictError,
  DuplicateRegisterError,
  InvalidArgumentError,
  InvalidValueError,
  LimitError,
  NotAllowedError,
  OutOfRangeError,
  PermissionDeniedError,
  UndefinedRegisterError,
  WrongKindError,
  defineRegister,
} from "../src/index.js";
import { PrivateServer } from "./server.js";

const inventory = defineRegister({
  name: "inventory",
  dimensions: {
    warehouse: { type: "text", required: true },
    product: "varchar(20)",
    lot: "date",
    shelf: "integer",
  },
  resources: { quantity: "bigint", amount: "numeric(14,2)" },
  attributes: { note: "text", fragile: "boolean" },
  timeZone: "Europe/Berlin",
  limits: [{ name: "in_stock", check: "quantity >= 0" }],
});

// Types that the compiler derives; this file does not compile if they are wrong.
type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}
type Stock = ReturnType<typeof stockOf>;
type Awaited1<T extends (...args: never[]) => Promise<unknown>> = Awaited<ReturnType<T>>;

function stockOf(client: AccumulatorClient) {
  return client.use(inventory);
}

same<Awaited1<Stock["balance"]>, { readonly quantity: string; readonly amount: string }>(true);
same<
  Awaited1<Stock["balances"]>[number],
  {
    readonly warehouse: string;
    readonly product: string | null;
    readonly lot: string | null;
    readonly shelf: number | null;
    readonly quantity: string;
    readonly amount: string;
  }
>(true);
same<Awaited1<Stock["movements"]>[number]["period"], Date>(true);
same<Awaited1<Stock["movements"]>[number]["fragile"], boolean | null>(true);
same<Awaited1<Stock["statement"]>[number]["quantity_opening"], string>(true);

/** Never called: each line must be refused by the compiler. */
export async function refused(stock: Stock): Promise<void> {
  const good = { recorder: "a", period: "2026-01-01", warehouse: "n", product: "p" } as const;
  // @ts-expect-error a resource is misspelt
  await stock.post({ ...good, lot: null, shelf: 1, quantitty: 1 });
  // @ts-expect-error a dimension is missing
  await stock.post({ ...good, lot: null, quantity: 1 });
  // @ts-expect-error a number is no text
  await stock.post({ ...good, lot: null, shelf: "1" });
  // @ts-expect-error a required dimension is never null
  await stock.post({ ...good, warehouse: null, lot: null, shelf: 1 });
  // @ts-expect-error an unknown dimension
  await stock.balance({ colour: "red" });
  // @ts-expect-error an unknown group
  await stock.turnover({ groupBy: ["colour"] });
  const [row] = await stock.turnover({ groupBy: ["product"] });
  // @ts-expect-error not grouped by
  row?.warehouse;
}

describe("a register", () => {
  let server: PrivateServer;
  let pool: pg.Pool;
  let client: AccumulatorClient;
  let stock: Stock;

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
    await client.createRegister(inventory);
    stock = stockOf(client);
    const cell = { warehouse: "north", lot: null, shelf: 1 };
    const purchase = { recorder: "purchase:1", period: "2026-03-10", ...cell };
    await stock.post([
      { ...purchase, product: "bolt", quantity: 1000n, amount: "250.00" },
      { ...purchase, product: "nut", quantity: 500, amount: 60.5 },
      // Local time of the register: the last hour of March in Berlin.
      { ...purchase, recorder: "purchase:2", period: "2026-03-31 23:30", product: "bolt",
        quantity: "200", fragile: true },
      { ...purchase, recorder: "purchase:3", period: new Date("2026-04-02T00:00:00Z"),
        product: null, lot: "2026-01-31", quantity: 7 },
    ]);
  });
  afterEach(async () => {
    await client.dropRegister("inventory", { force: true });
  });

  const bolts = { product: "bolt" } as const;
  const shipment = {
    recorder: "shipment:1", period: "2026-04-05", warehouse: "north", product: "bolt", lot: null,
    shelf: 1,
  };

  test("has balances", async () => {
    assert.deepEqual(await stock.balance(), { quantity: "1707", amount: "310.50" });
    assert.equal((await stock.balance({ product: null })).quantity, "7");
    assert.equal((await stock.balance({ shelf: 2 })).quantity, "0");
    const cells = await stock.balances({ at: "2026-03-30" });
    cells.sort((one, other) => (one.product ?? "").localeCompare(other.product ?? ""));
    assert.deepEqual(cells, [
      { warehouse: "north", product: "bolt", lot: null, shelf: 1, quantity: "1000",
        amount: "250.00" },
      { warehouse: "north", product: "nut", lot: null, shelf: 1, quantity: "500",
        amount: "60.50" },
    ]);
  });

  test("has balances at any moment", async () => {
    for (const [at, expected] of [
      ["2026-03-30", "1000"],
      ["2026-03-31", "1200"],
      ["2026-03-31 23:29", "1000"],
      ["2026-03-31T21:30:00Z", "1200"],
      ["2026-03-31 21:29:59+00", "1000"],
      [new Date("2026-03-31T21:30:00Z"), "1200"],
    ] as const) {
      assert.equal((await stock.balance(bolts, { at })).quantity, expected, String(at));
    }
  });

  test("has turnovers and statements", async () => {
    const march = { from: "2026-03-01", to: "2026-03-31" };
    assert.deepEqual(await stock.turnover(march), [{ quantity: "1700", amount: "310.50" }]);
    assert.deepEqual(await stock.turnover({ ...march, groupBy: ["product", "shelf"] }), [
      { product: "bolt", shelf: 1, quantity: "1200", amount: "250.00" },
      { product: "nut", shelf: 1, quantity: "500", amount: "60.50" },
    ]);
    assert.deepEqual(
      await stock.turnover({ from: "2026-03-31 01:00", to: "2026-03-31", where: bolts }),
      [{ quantity: "200", amount: "0.00" }],
    );
    const rows = await stock.statement({
      from: "2026-03-01", to: "2026-04-30", groupBy: ["product"], where: bolts, unit: "month",
      fill: true,
    });
    assert.deepEqual(
      rows.map((row) => [row.unit_start, row.product, row.warehouse, row.quantity_closing]),
      [["2026-03-01", "bolt", null, "1200"], ["2026-04-01", "bolt", null, "1200"]],
    );
    assert.equal(typeof rows[0]?.grouping, "number");
  });

  test("has movements", async () => {
    const rows = await stock.movements();
    assert.deepEqual(rows.map((row) => row.recorder), [
      "purchase:1", "purchase:1", "purchase:2", "purchase:3",
    ]);
    assert.deepEqual(rows[2]?.period, new Date("2026-03-31T21:30:00Z"));
    assert.equal(rows[2]?.fragile, true);
    assert.equal(rows[3]?.lot, "2026-01-31");
    assert.deepEqual(await stock.movements({ limit: 2, offset: 1 }), rows.slice(1, 3));
    assert.equal((await stock.movements({ recorder: "purchase:1", where: bolts })).length, 1);
    assert.equal((await stock.movements({ from: "2026-03-31", to: "2026-03-31" })).length, 1);
  });

  test("corrects and cancels documents", async () => {
    const corrected = { ...shipment, recorder: "purchase:1", period: "2026-03-10", quantity: 900 };
    assert.equal(await stock.repost("purchase:1", corrected), 1);
    assert.equal((await stock.balance(bolts)).quantity, "1100");
    assert.equal(await stock.unpost("purchase:1"), 1);
    assert.equal(await stock.unpost(["purchase:2", "purchase:3", "none"]), 2);
    assert.deepEqual(await stock.movements(), []);
  });

  test("posts once, however often it is tried", async () => {
    const sale = { ...shipment, quantity: -1 };
    const tries = Array.from({ length: 20 }, () => stock.post(sale, { once: true }));
    assert.deepEqual(await Promise.all(tries), Array<number>(20).fill(1));
    assert.equal((await stock.balance(bolts)).quantity, "1199");
    await assert.rejects(stock.post({ ...sale, quantity: -2 }, { once: true }), ConflictError);
  });

  test("previews", async () => {
    const [cell] = await stock.preview(null, { ...shipment, quantity: -5000 });
    assert.deepEqual(cell, {
      dimensions: { warehouse: "north", product: "bolt", lot: null, shelf: 1 },
      before: { quantity: "1200", amount: "250.00" },
      after: { quantity: "-3800", amount: "250.00" },
      brokenLimits: ["in_stock"],
      closed: false,
    });
    assert.equal((await stock.preview("purchase:1")).length, 2);
  });

  test("reconciles", async () => {
    const { recorder: _, period: __, ...counted } = shipment;
    const found = await stock.reconcile(
      "count:1", "2026-03-31", { ...counted, quantity: 1190 },
      { within: { warehouse: "north", lot: null } },
    );
    assert.deepEqual(found.map((row) => [row.product, row.quantity]), [
      ["bolt", "-10"], ["nut", "-500"],
    ]);
    assert.equal((await stock.balance(bolts, { at: "2026-03-31" })).quantity, "1190");
  });

  test("closes periods", async () => {
    await stock.closeThrough("2026-04-30");
    await assert.rejects(stock.post(shipment), ClosedPeriodError);
    await stock.reopenFrom(null);
    await stock.closeThrough("2026-04-30", bolts);
    await assert.rejects(stock.post(shipment), NotAllowedError);
    await stock.reopenFrom(null, bolts);
    assert.equal(await stock.post(shipment), 1);
  });

  test("is taken care of", async () => {
    assert.deepEqual((await stock.verify()).map((row) => row.status), Array(4).fill("OK"));
    assert.equal(await stock.repair(), 0);
    assert.equal(await stock.fold(), 0);
    assert.ok((await stock.createPartitions()) >= 0);
    assert.equal((await stock.stats())["movements_count"], 4);
    await assert.rejects(stock.clear(), NotAllowedError);
    await stock.clear({ force: true });
    assert.deepEqual(await stock.movements(), []);
  });

  test("has archived movements", async () => {
    const old = { ...shipment, recorder: "old", period: "2020-01-01", quantity: 1 };
    await stock.post(old);
    await pool.query("SELECT accum.register_detach_partitions('inventory', '5 years')");
    await assert.rejects(stock.unpost("old"), ArchivedError);
  });

  test("leaves rules of others alone", async () => {
    await pool.query("ALTER TABLE accum.inventory_movements ADD CHECK (quantity < 5000)");
    await assert.rejects(stock.post({ ...shipment, quantity: 5000 }), { code: "23514" });
  });

  test("is altered", async () => {
    await client.alterRegister("inventory", {
      addResources: { weight: "numeric(10,3)" },
      addAttributes: { line: "integer" },
      limits: [],
    });
    const wider = client.use(defineRegister({
      ...inventory,
      resources: { ...inventory.resources, weight: "numeric(10,3)" },
      attributes: { line: "integer" },
    }));
    await wider.post({ ...shipment, quantity: -5000, weight: 0.125, line: 3 });
    assert.equal((await wider.balance(bolts)).weight, "0.125");
    assert.equal((await client.registerInfo("inventory"))["high_write"], false);
    await client.alterRegister("inventory", { highWrite: true });
    const [summary] = await client.listRegisters();
    assert.equal(summary?.name, "inventory");
    assert.equal(summary.movements_count, "5");
  });

  test("keeps every digit", async () => {
    const big = 9007199254740993n;
    await stock.post({ ...shipment, quantity: big, amount: "123456789012.34" });
    const { quantity, amount } = await stock.balance(bolts);
    assert.equal(quantity, String(big + 1200n));
    assert.equal(amount, "123456789262.34");
  });

  test("takes no value that JSON would make null", async () => {
    await assert.rejects(stock.post({ ...shipment, quantity: NaN }), RangeError);
    await assert.rejects(stock.post({ ...shipment, period: new Date(NaN) }), RangeError);
  });

  test("joins the transaction of a client", async () => {
    const connection = await pool.connect();
    try {
      const inside = stockOf(new AccumulatorClient(connection));
      await connection.query("BEGIN");
      await inside.post({ ...shipment, quantity: -10 });
      assert.equal((await inside.balance(bolts)).quantity, "1190");
      await connection.query("ROLLBACK");
    } finally {
      connection.release();
    }
    assert.equal((await stock.balance(bolts)).quantity, "1200");
  });

  test("never loses or doubles with fifty posts at once", async () => {
    const posts = Array.from({ length: 50 }, (_, number) =>
      stock.post({ ...shipment, recorder: `shipment:${number}`, quantity: -(number % 10) }),
    );
    assert.deepEqual(await Promise.all(posts), Array<number>(50).fill(1));
    const { rows } = await pool.query<{ sum: string }>(
      "SELECT sum(quantity)::text FROM accum.inventory_movements WHERE product = 'bolt'",
    );
    assert.equal(rows[0]?.sum, "975");
    assert.equal((await stock.balance(bolts)).quantity, "975");
  });

  test("reports errors by SQLSTATE", async () => {
    const bad = async (change: object) => stock.post({ ...shipment, ...change });
    const error = await bad({ quantity: -1201 }).catch((caught: unknown) => caught);
    assert.ok(error instanceof LimitError && error.cause instanceof Error);
    assert.equal(error.sqlstate, "23514");
    assert.equal(error.constraint, "in_stock");
    assert.match(error.detail ?? "", /north/);
    assert.equal(error.name, "LimitError");
    await assert.rejects(bad({ quantity: "many" }), InvalidValueError);
    await assert.rejects(bad({ quantity: 10n ** 30n }), OutOfRangeError);
    await assert.rejects(bad({ qty: 1 }), InvalidArgumentError);
    await assert.rejects(client.createRegister(inventory), DuplicateRegisterError);
    await assert.rejects(client.dropRegister("missing"), UndefinedRegisterError);
    const missing = defineRegister({ name: "missing", dimensions: {}, resources: { a: "numeric" } });
    await assert.rejects(client.use(missing).balance(), UndefinedRegisterError);
    await assert.rejects(client.dropRegister("inventory"), NotAllowedError);
    await assert.rejects(client.query("SELECT 1/0"), { code: "22012" });
  });

  test("has the rights of the role that asks", async () => {
    const connection = await pool.connect();
    try {
      await connection.query("BEGIN");
      await connection.query("CREATE ROLE nobody");
      const inside = stockOf(new AccumulatorClient(connection));
      await inside.grant("nobody", "read");
      await inside.grant("nobody", "post");
      await inside.revoke("nobody", "post");
      await connection.query("SET LOCAL ROLE nobody");
      assert.equal((await inside.balance(bolts)).quantity, "1200");
      await assert.rejects(inside.post(shipment), PermissionDeniedError);
    } finally {
      await connection.query("ROLLBACK");
      connection.release();
    }
  });

  test("has a kind", async () => {
    const sales = defineRegister({
      name: "sales", dimensions: { shop: "text" }, resources: { amount: "numeric" },
      kind: "turnover", totalsPeriod: "month", partitionBy: "year", recorderType: "bigint",
      yearStart: 4,
    });
    await client.createRegister(sales);
    try {
      const handle = client.use(sales);
      assert.equal(await handle.post({ recorder: 7, period: "2026-01-01", shop: "a" }), 1);
      assert.equal(await handle.unpost(7), 1);
      await assert.rejects(handle.reconcile(8, "2026-01-01", { shop: "a", amount: 1 }),
        WrongKindError);
    } finally {
      await client.dropRegister("sales", { force: true });
    }
  });

  test("has history", async () => {
    const books = defineRegister({
      name: "books", dimensions: { account: "text" }, resources: { amount: "numeric(14,2)" },
      timeZone: "Europe/Berlin", history: true,
    });
    await client.createRegister(books);
    try {
      const handle = client.use(books);
      const entry = { period: "2026-03-10", account: "till", amount: 5 };
      await handle.post([{ ...entry, recorder: "a" }, { ...entry, recorder: "b" }]);
      const known = await handle.knownUntil();
      assert.equal(await handle.unpost("a", { at: "2026-04-01" }), 1);
      assert.equal(await handle.unpost(["b"]), 1);
      assert.equal((await handle.balance()).amount, "0.00");
      assert.equal((await handle.balance({}, { knownAt: known })).amount, "10.00");
      assert.deepEqual(await handle.turnover({ knownAt: known, groupBy: ["account"] }), [
        { account: "till", amount: "10.00" },
      ]);
      assert.deepEqual(await handle.movements({ onlyActive: true }), []);
      const reversal = (await handle.movements({ recorder: "a" }))[1];
      assert.equal(reversal?.movement_type, "reversal");
      assert.deepEqual(reversal.period, new Date("2026-03-31T22:00:00Z"));
      assert.deepEqual(reversal.reverses_period, new Date("2026-03-09T23:00:00Z"));
    } finally {
      await client.dropRegister("books", { force: true });
    }
  });

  test("has names that need no quotes", () => {
    for (const name of ["", "Sales", "1st", "a'b", "a.b"]) {
      assert.throws(() => defineRegister({ name, dimensions: {}, resources: { a: "int" } }),
        TypeError);
      assert.throws(
        () => defineRegister({ name: "x", dimensions: { [name]: "text" }, resources: {} }),
        TypeError,
      );
    }
  });
});
